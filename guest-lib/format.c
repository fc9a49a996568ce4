/* SPDX-License-Identifier: MIT */
#include <cassin/guest/format.h>

#include <stdbool.h>
#include <stdint.h>

#include <cassin/guest/string.h>

#define LIMB 1000000000u   /* long numbers are kept in base 10^9 */
#define LIMBS 36           /* 2^1024 */
#define FRACTION_DIGITS 17 /* exact; further ones are shown as 0 */
#define INT_DIGITS (LIMBS * 9)

struct text {
	char *to;
	size_t size, len;
};

struct spec {
	bool left, zero, plus, upper;
	size_t width;
	int precision; /* -1: none given */
	char length;   /* 'l' (l, ll, z, j, t), 'h', 'H' (hh), 0 */
	char what;
};

static void put(struct text *t, char c)
{
	if (t->len + 1 < t->size)
		t->to[t->len] = c;
	t->len++;
}

static void fill(struct text *t, char c, size_t n)
{
	while (n--)
		put(t, c);
}

/* Puts a field of `prefix`, then zeros, then digits. */
static void put_number(struct text *t, const struct spec *s, const char *prefix, size_t zeros, const char *digits,
		       size_t n)
{
	size_t lead = strlen(prefix), len = lead + zeros + n;
	size_t pad = s->width > len ? s->width - len : 0;
	if (!s->left && !s->zero)
		fill(t, ' ', pad);
	for (size_t i = 0; i < lead; i++)
		put(t, prefix[i]);
	if (!s->left && s->zero)
		fill(t, '0', pad);
	fill(t, '0', zeros);
	for (size_t i = 0; i < n; i++)
		put(t, digits[i]);
	if (s->left)
		fill(t, ' ', pad);
}

static void put_integer(struct text *t, struct spec *s, const char *prefix, uint64_t value, unsigned base)
{
	const char *set = s->upper ? "0123456789ABCDEF" : "0123456789abcdef";
	char digits[20], *at = digits + sizeof digits;
	while (value) {
		*--at = set[value % base];
		value /= base;
	}
	size_t n = (size_t)(digits + sizeof digits - at), least = s->precision < 0 ? 1 : (size_t)s->precision;
	if (s->precision >= 0)
		s->zero = false;
	put_number(t, s, prefix, least > n ? least - n : 0, at, n);
}

static void put_string(struct text *t, const struct spec *s, const char *string)
{
	size_t n = 0, most = s->precision < 0 ? SIZE_MAX : (size_t)s->precision;
	if (!string)
		string = "(null)";
	while (n < most && string[n])
		n++;
	size_t pad = s->width > n ? s->width - n : 0;
	if (!s->left)
		fill(t, ' ', pad);
	for (size_t i = 0; i < n; i++)
		put(t, string[i]);
	if (s->left)
		fill(t, ' ', pad);
}

/* Decimal digits of mantissa * 2^shift, the last of them just before `end`. Returns the first. */
static char *long_digits(uint64_t mantissa, int shift, char *end)
{
	uint32_t limb[LIMBS] = {(uint32_t)(mantissa % LIMB), (uint32_t)(mantissa / LIMB % LIMB),
				(uint32_t)(mantissa / LIMB / LIMB)};
	int n = 3;
	while (shift > 0) {
		int by = shift < 29 ? shift : 29;
		uint64_t carry = 0;
		for (int i = 0; i < n; i++) {
			uint64_t v = ((uint64_t)limb[i] << by) + carry;
			limb[i] = (uint32_t)(v % LIMB);
			carry = v / LIMB;
		}
		if (carry && n < LIMBS)
			limb[n++] = (uint32_t)carry;
		shift -= by;
	}
	while (n > 1 && !limb[n - 1])
		n--;
	for (int i = 0; i < n; i++) {
		uint32_t v = limb[i];
		for (int j = 0; j < 9 && (v || i < n - 1 || j == 0); j++, v /= 10)
			*--end = (char)('0' + v % 10);
	}
	return end;
}

/* Splits mantissa / 2^k (k > 0) into whole and the fraction's first `digits` digits, rounded half to even. */
static uint64_t split(uint64_t mantissa, int k, int digits, uint64_t *fraction)
{
	uint64_t whole = k < 64 ? mantissa >> k : 0, scale = 1;
	for (int i = 0; i < digits; i++)
		scale *= 10;
	unsigned __int128 part = (unsigned __int128)(mantissa - (k < 64 ? whole << k : 0)) * scale;
	uint64_t f = 0;
	if (k < 128) {
		unsigned __int128 half = (unsigned __int128)1 << (k - 1), rest = part & ((half << 1) - 1);
		f = (uint64_t)(part >> k);
		bool odd = digits ? f & 1 : whole & 1;
		if (rest > half || (rest == half && odd))
			f++;
	}
	if (f >= scale) {
		f -= scale;
		whole++;
	}
	*fraction = f;
	return whole;
}

static void put_double(struct text *t, struct spec *s, double value)
{
	uint64_t bits, fraction = 0, mantissa;
	memcpy(&bits, &value, sizeof bits);
	const char *sign = bits >> 63 ? "-" : s->plus ? "+" : "";
	int exponent = (int)(bits >> 52 & 0x7ff);
	mantissa = bits & (((uint64_t)1 << 52) - 1);
	if (exponent == 0x7ff) {
		s->zero = false;
		put_number(t, s, mantissa ? "" : sign, 0, mantissa ? "nan" : "inf", 3);
		return;
	}
	int precision = s->precision < 0 ? 6 : s->precision, shown = precision;
	if (shown > FRACTION_DIGITS)
		shown = FRACTION_DIGITS;
	mantissa |= exponent ? (uint64_t)1 << 52 : 0;
	int shift = (exponent ? exponent : 1) - 1075;
	char digits[INT_DIGITS + 1 + FRACTION_DIGITS], *end = digits + INT_DIGITS;
	if (shift < 0)
		mantissa = split(mantissa, -shift, shown, &fraction);
	char *first = long_digits(mantissa, shift, end);
	if (precision)
		*end++ = '.';
	for (int i = shown; i--; fraction /= 10)
		end[i] = (char)('0' + fraction % 10);
	end += shown;
	size_t tail = (size_t)(precision - shown), width = s->width;
	if (s->left || s->width <= tail) /* the tail's zeros belong to the field */
		s->width = 0;
	else
		s->width -= tail;
	size_t before = t->len;
	put_number(t, s, sign, 0, first, (size_t)(end - first));
	fill(t, '0', tail);
	if (s->left && t->len - before < width)
		fill(t, ' ', width - (t->len - before));
}

static uint64_t take(const struct spec *s, va_list *args)
{
	uint64_t v = s->length == 'l' ? va_arg(*args, uint64_t) : va_arg(*args, unsigned);
	if (s->length == 'h')
		v = (unsigned short)v;
	if (s->length == 'H')
		v = (unsigned char)v;
	return v;
}

static int64_t take_signed(const struct spec *s, va_list *args)
{
	if (s->length == 'l')
		return va_arg(*args, int64_t);
	int v = va_arg(*args, int);
	return s->length == 'h' ? (short)v : s->length == 'H' ? (signed char)v : v;
}

static void convert(struct text *t, struct spec *s, va_list *args)
{
	switch (s->what) {
	case 'd':
	case 'i': {
		int64_t v = take_signed(s, args);
		put_integer(t, s, v < 0 ? "-" : s->plus ? "+" : "", v < 0 ? 0 - (uint64_t)v : (uint64_t)v, 10);
		break;
	}
	case 'u':
		put_integer(t, s, "", take(s, args), 10);
		break;
	case 'X':
		s->upper = true;
		/* fall through */
	case 'x':
		put_integer(t, s, "", take(s, args), 16);
		break;
	case 'p':
		put_integer(t, s, "0x", (uint64_t)va_arg(*args, void *), 16);
		break;
	case 'c': {
		char c[2] = {(char)va_arg(*args, int), 0};
		s->zero = false;
		put_number(t, s, "", 0, c, 1);
		break;
	}
	case 's':
		put_string(t, s, va_arg(*args, const char *));
		break;
	case 'f':
		put_double(t, s, va_arg(*args, double));
		break;
	default:
		put(t, '%');
		if (s->what != '%')
			put(t, s->what);
	}
}

/* A number of a spec: digits, or * and an argument. */
static const char *parse_number(const char *f, int *out, va_list *args)
{
	if (*f == '*') {
		*out = va_arg(*args, int);
		return f + 1;
	}
	int n = 0;
	for (; *f >= '0' && *f <= '9'; f++) {
		if (n < 100000)
			n = n * 10 + (*f - '0');
	}
	*out = n;
	return f;
}

/* Reads a spec after its %; *f becomes the character after it. */
static struct spec parse(const char **f, va_list *args)
{
	struct spec s = {.precision = -1};
	const char *at = *f;
	int width;
	for (;; at++) {
		if (*at == '-')
			s.left = true;
		else if (*at == '0')
			s.zero = true;
		else if (*at == '+')
			s.plus = true;
		else
			break;
	}
	at = parse_number(at, &width, args);
	s.left |= width < 0;
	s.width = width < 0 ? 0 - (size_t)width : (size_t)width;
	if (*at == '.')
		at = parse_number(at + 1, &s.precision, args);
	for (;; at++) {
		if (*at == 'l' || *at == 'z' || *at == 'j' || *at == 't')
			s.length = 'l';
		else if (*at == 'h')
			s.length = s.length == 'h' ? 'H' : 'h';
		else
			break;
	}
	s.what = *at;
	*f = at + (*at != 0);
	return s;
}

int cassin_vformat(char *to, size_t size, const char *format, va_list args)
{
	struct text t = {.to = to, .size = size};
	va_list own;
	va_copy(own, args);
	while (*format) {
		if (*format != '%') {
			put(&t, *format++);
			continue;
		}
		format++;
		struct spec s = parse(&format, &own);
		if (s.what)
			convert(&t, &s, &own);
	}
	va_end(own);
	if (size)
		to[t.len < size ? t.len : size - 1] = 0;
	return t.len > INT32_MAX ? INT32_MAX : (int)t.len;
}

int cassin_format(char *to, size_t size, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	int n = cassin_vformat(to, size, format, args);
	va_end(args);
	return n;
}
