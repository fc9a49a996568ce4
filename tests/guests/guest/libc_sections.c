/* SPDX-License-Identifier: MIT */
/* What C11 promises of its library, by the sections of its chapter 7. */
#include <assert.h>
#include <complex.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <fenv.h>
#include <float.h>
#include <inttypes.h>
#include <iso646.h>
#include <limits.h>
#include <locale.h>
#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <wchar.h>
#include <wctype.h>

#include "check.h"

#define PROOF(name) static void name(__attribute__((unused)) int argc, __attribute__((unused)) char **argv)

/* What a format makes of its arguments, and how long it says that is. */
#define FORMATS(want, ...)                                                                                             \
	do {                                                                                                           \
		char text_[256];                                                                                       \
		int said_ = snprintf(text_, sizeof text_, __VA_ARGS__);                                                \
		if (strcmp(text_, want) || said_ != (int)strlen(want)) {                                               \
			cassin_print("%d: \"%s\" (%d), not \"%s\"\n", __LINE__, text_, said_, want);                   \
			exit(1);                                                                                       \
		}                                                                                                      \
	} while (0)

/* 7.3: complex numbers. */
PROOF(complex_numbers)
{
	volatile double minus = -1;
	double complex root = csqrt(minus), turn = cexp(I * acos(minus));
	CHECK(creal(root) == 0 && cimag(root) == 1);
	CHECK(fabs(creal(turn) + 1) < 1e-15 && fabs(cimag(turn)) < 1e-15);
	CHECK(cabs(3 + 4 * I) == 5 && conj(1 + 2 * I) == 1 - 2 * I);
}

/* 7.4: which characters are what. */
PROOF(characters)
{
	for (int c = EOF; c <= UCHAR_MAX; c++) {
		bool upper = c >= 'A' && c <= 'Z', lower = c >= 'a' && c <= 'z', digit = c >= '0' && c <= '9';
		bool graph = c > ' ' && c < 127;
		CHECK_IS(!!isupper(c), upper);
		CHECK_IS(!!islower(c), lower);
		CHECK_IS(!!isdigit(c), digit);
		CHECK_IS(!!isalpha(c), upper || lower);
		CHECK_IS(!!isxdigit(c), digit || (c >= 'A' && c <= 'F') || (c >= 'a' && c <= 'f'));
		CHECK_IS(!!isgraph(c), graph);
		CHECK_IS(!!isprint(c), graph || c == ' ');
		CHECK_IS(!!ispunct(c), graph && !upper && !lower && !digit);
		CHECK_IS(!!isspace(c), c == ' ' || (c >= '\t' && c <= '\r'));
		CHECK_IS(!!isblank(c), c == ' ' || c == '\t');
		CHECK_IS(!!iscntrl(c), (c >= 0 && c < ' ') || c == 127);
		CHECK_IS(tolower(c), upper ? c - 'A' + 'a' : c);
		CHECK_IS(toupper(c), lower ? c - 'a' + 'A' : c);
	}
}

/* 7.5 and 7.12.1: what a function says of its failure. */
PROOF(error_numbers)
{
	volatile double minus = -1, much = 1000, zero = 0;
	errno = 0;
	CHECK(isnan(sqrt(minus)) && errno == EDOM);
	errno = 0;
	CHECK(exp(much) == HUGE_VAL && errno == ERANGE);
	errno = 0;
	CHECK(log(zero) == -HUGE_VAL && errno == ERANGE);
	errno = 0;
	CHECK(isnan(fmod(much, zero)) && errno == EDOM);
	CHECK(strlen(strerror(ERANGE)) > 0);
}

/* 7.6: the floating-point environment. */
PROOF(rounding)
{
	volatile double one = 1, three = 3, quarter = 1.25;
	fenv_t kept;
	CHECK_IS(fegetround(), FE_TONEAREST);
	CHECK_IS(feclearexcept(FE_ALL_EXCEPT), 0);
	volatile double third = one / three;
	CHECK(fetestexcept(FE_INEXACT));
	CHECK_IS(fegetenv(&kept), 0);
	CHECK_IS(fesetround(FE_UPWARD), 0);
	CHECK(one / three > third && rint(quarter) == 2 && lrint(-quarter) == -1);
	CHECK_IS(fesetenv(&kept), 0);
	CHECK(fegetround() == FE_TONEAREST && one / three == third && rint(quarter) == 1);
	CHECK(feholdexcept(&kept) == 0 && !fetestexcept(FE_ALL_EXCEPT) && feupdateenv(&kept) == 0);
}

/* 7.7 and 7.20: the limits are those of the types. */
PROOF(limits)
{
	volatile double most = DBL_MAX;
	volatile long double longest = LDBL_MAX;
	CHECK(isinf(most * 2) && !isinf(longest) && isinf(longest * 2));
	CHECK(DBL_MANT_DIG == 53 && LDBL_MANT_DIG == 64 && FLT_MANT_DIG == 24);
	CHECK(sizeof(intmax_t) == 8 && INTPTR_MAX == LONG_MAX && SIZE_MAX == ULONG_MAX && PTRDIFF_MAX == LONG_MAX);
	CHECK(INT_LEAST8_MAX == INT8_MAX && UINT64_C(1) << 63 > INT64_MAX && sizeof(wchar_t) == 4);
}

/* 7.8: numbers of the widest types. */
PROOF(widest_integers)
{
	imaxdiv_t d = imaxdiv(INTMAX_MAX, 10);
	CHECK(d.quot == INTMAX_MAX / 10 && d.rem == 7 && imaxabs(-INTMAX_MAX) == INTMAX_MAX);
	CHECK(strtoimax("-9223372036854775808", NULL, 10) == INTMAX_MIN);
	CHECK(strtoumax("ffffffffffffffff", NULL, 16) == UINTMAX_MAX);
	CHECK(wcstoimax(L"-12", NULL, 10) == -12);
	FORMATS("-1 255 ff 18446744073709551615 -9223372036854775808",
		"%" PRId8 " %" PRIu8 " %" PRIx32 " %" PRIu64 " %" PRIdMAX, (int8_t)-1, (uint8_t)255, (uint32_t)255,
		UINT64_MAX, INTMAX_MIN);
}

/* 7.11 */
PROOF(locales)
{
	const struct lconv *l = localeconv();
	CHECK(strcmp(setlocale(LC_ALL, NULL), "C") == 0 && setlocale(LC_ALL, "C"));
	CHECK(!setlocale(LC_ALL, "no_SUCH.locale"));
	CHECK(strcmp(l->decimal_point, ".") == 0 && strcmp(l->thousands_sep, "") == 0 && l->frac_digits == CHAR_MAX);
	CHECK(strcoll("a", "b") < 0 && strxfrm(NULL, "abc", 0) == 3);
}

/* 7.12 */
PROOF(mathematics)
{
	volatile double x = 0.5, two = 2, nan_ = NAN, zero = 0;
	int e, q;
	double whole;
	CHECK(fpclassify(zero) == FP_ZERO && fpclassify(DBL_MIN / two) == FP_SUBNORMAL && signbit(-zero));
	CHECK(isunordered(nan_, x) && !isless(nan_, x) && islessgreater(x, two));
	CHECK(frexp(8, &e) == 0.5 && e == 4 && ldexp(x, 3) == 4 && scalbn(x, 1) == 1 && logb(8) == 3 && ilogb(8) == 3);
	CHECK(modf(-2.5, &whole) == -0.5 && whole == -2 && fmod(-7, 3) == -1 && remainder(7, 4) == -1);
	CHECK(remquo(7, 4, &q) == -1 && (q & 7) == 2);
	CHECK(floor(-x) == -1 && ceil(x) == 1 && trunc(-1.5) == -1 && round(-2.5) == -3 && lround(2.5) == 3);
	CHECK(nearbyint(2.5) == 2 && llrint(3.5) == 4 && copysign(two, -1) == -2 && fdim(3, 1) == 2);
	CHECK(fmax(nan_, 1) == 1 && fmin(1, nan_) == 1 && fma(two, two, -4) == 0 && hypot(3, 4) == 5 && cbrt(27) == 3);
	CHECK(nextafter(1, 2) > 1 && nextafter(1, 2) - 1 == DBL_EPSILON && exp2(3) == 8 && log2(8) == 3 &&
	      log10(100) == 2);
	CHECK(fabs(expm1(1e-10) - 1e-10) < 1e-19 && fabs(log1p(1e-10) - 1e-10) < 1e-19 && tgamma(5) == 24);
	CHECK(fabs(erf(1) - 0.8427007929497149) < 1e-15 && fabs(erfc(1) - 0.15729920705028513) < 1e-15);
	CHECK(fabs(lgamma(10) - 12.801827480081469) < 1e-13 && fabs(atan2(-1, -1) + 2.356194490192345) < 1e-15);
	CHECK(fabs(asinh(sinh(x)) - x) < 1e-15 && fabs(acosh(cosh(x)) - x) < 1e-15 && fabs(atanh(tanh(x)) - x) < 1e-15);
	CHECK(sqrtf(4) == 2 && powf(2, 3) == 8 && fabsf(sinf(1) - 0.84147098f) < 1e-6f && floorf(-0.5f) == -1);
}

/* Of 7.12 for long doubles there are few functions (docs/libc.md); 7.22.1 has all. */
PROOF(long_doubles)
{
	volatile long double two = 2;
	CHECK(sqrtl(two) - 1.41421356237309504880L < 1e-18L && 1.41421356237309504880L - sqrtl(two) < 1e-18L);
	CHECK(hypotl(3, 4) == 5 && isinf(two * LDBL_MAX) && signbit(-two) && fpclassify(two) == FP_NORMAL);
	CHECK(strtold("1e400", NULL) > (long double)DBL_MAX && !isinf(strtold("1e4000", NULL)));
	CHECK(strtold("0x1.8p3", NULL) == 12 && isinf(strtold("1e9999", NULL)));
	CHECK(strtold("0.1", NULL) == 0.1L);
}

static jmp_buf place;

static _Noreturn void jump(int value)
{
	longjmp(place, value);
}

/* 7.13: setjmp() gives what longjmp() was called with, but never 0. */
PROOF(jumps_to)
{
	static const int values[] = {1, 0, -1, INT_MIN, INT_MAX};
	for (volatile unsigned i = 0; i < sizeof values / sizeof *values; i++) {
		volatile int jumped = 0;
		int got = setjmp(place);
		if (!got) {
			CHECK_IS(jumped, 0);
			jumped = 1;
			jump(values[i]);
		}
		CHECK_IS(jumped, 1);
		CHECK_IS(got, values[i] ? values[i] : 1);
	}
}

static volatile sig_atomic_t seen;

static void on_signal(int number)
{
	seen = number;
}

/* 7.14 */
PROOF(signals)
{
	CHECK(signal(SIGINT, on_signal) == SIG_DFL && raise(SIGINT) == 0 && seen == SIGINT);
	CHECK(signal(SIGTERM, SIG_IGN) == SIG_DFL && raise(SIGTERM) == 0);
	errno = 0;
	CHECK(signal(-5, on_signal) == SIG_ERR && errno);
}

/* 7.21.6.1: each conversion, flag and length of fprintf. */
PROOF(prints_integers)
{
	int n = 0;
	FORMATS("+7|-7|  7|007|7  | 7", "%+d|%d|%3d|%03d|%-3d|% d", 7, -7, 7, 7, 7, 7);
	FORMATS("   +7|00005|  005||0", "%+5d|%.5d|%5.3d|%.0d|%d", 7, 5, 5, 0, 0);
	FORMATS("17|017|f|0xf|F|0XF|0", "%o|%#o|%x|%#x|%X|%#X|%#x", 15, 15, 15, 15, 15, 15, 0);
	FORMATS("-1|255|-1|65535", "%hhd|%hhu|%hd|%hu", -1, -1, -1, -1);
	FORMATS("-1 18446744073709551615 -1 18446744073709551615", "%ld %lu %lld %llu", -1L, -1UL, -1LL, -1ULL);
	FORMATS("-5 7 -9 12", "%jd %zu %td %ju", (intmax_t)-5, (size_t)7, (ptrdiff_t)-9, (uintmax_t)12);
	FORMATS("abc  |  abc|ab|a%", "%-5s|%5s|%.2s|%c%%", "abc", "abc", "abc", 'a');
	FORMATS("    5|5    |05", "%*d|%-*d|%.*d", 5, 5, 5, 5, 2, 5);
	FORMATS("abcdef", "abc%ndef", &n);
	CHECK_IS(n, 3);
	CHECK_IS(snprintf(NULL, 0, "%s %d", "four", 4), 6);
	char small[4] = "zzz";
	volatile size_t room = sizeof small;
	CHECK(snprintf(small, room, "%d", 123456) == 6 && strcmp(small, "123") == 0);
}

PROOF(prints_floats)
{
	FORMATS("1.500000|1.50|2|2.|1.500000e+00|1E+00", "%f|%.2f|%.0f|%#.0f|%e|%.0E", 1.5, 1.5, 1.5, 1.5, 1.5, 1.4);
	FORMATS("0.0001|1e-05|100000|1e+06|1.00000|1E+10", "%g|%g|%g|%g|%#g|%G", 1e-4, 1e-5, 1e5, 1e6, 1.0, 1e10);
	FORMATS("inf|-INF|nan|  inf|+inf", "%f|%F|%f|%05f|%+e", INFINITY, -INFINITY, NAN, INFINITY, INFINITY);
	FORMATS("0x1.8p+1|0X1P-2|0x0p+0|0x1.80p+1", "%a|%A|%a|%.2a", 3.0, 0.25, 0.0, 3.0);
	FORMATS("-0.0|0.1000000000000000055511151231257827", "%.1f|%.34f", -0.0, 0.1);
	FORMATS("1.7976931348623157e+308|4.9406564584124654e-324|179769313486231570814", "%.17g|%.17g|%.21s", DBL_MAX,
		4.9406564584124654e-324, "1797693134862315708145274237317043567980");
	FORMATS("2|4|-2", "%.0f|%.0f|%.0f", 2.5, 3.5, -2.5);
}

PROOF(prints_long_doubles)
{
	FORMATS("1.000000e+400|-1E+4000", "%Le|%.0LE", 1e400L, -1e4000L);
	FORMATS("0.1000000000000000000013552527156068805", "%.37Lf", 0.1L);
	FORMATS("1.18973149535723176502e+4932|3.5|inf", "%.21Lg|%Lg|%Lf", LDBL_MAX, 3.5L, (long double)INFINITY);
}

/* 7.21.6.1, 7.29.2: wide characters in narrow formats, and the other way round. */
PROOF(prints_wide)
{
	wchar_t wide[64];
	FORMATS("wide|wi|  wide|w", "%ls|%.2ls|%6ls|%lc", L"wide", L"wide", L"wide", L'w');
	CHECK(swprintf(wide, 64, L"%d %s %ls %.1f %c", 42, "narrow", L"wide", 1.5, 'x') == 20);
	CHECK(wcscmp(wide, L"42 narrow wide 1.5 x") == 0);
	CHECK(swprintf(wide, 4, L"%d", 123456) < 0);
	int n = 0;
	wchar_t word[16];
	CHECK(swscanf(L"17 pears", L"%d %15ls", &n, word) == 2 && n == 17 && wcscmp(word, L"pears") == 0);
}

/* 7.21.6.2 */
PROOF(scans)
{
	int a = 0, b = 0, n = 0;
	unsigned u = 0;
	long long ll = 0;
	float f = 0;
	double d = 0;
	long double ld = 0;
	signed char hh = 0;
	char word[16], set[16];
	void *p = NULL;
	wchar_t wide[8];
	CHECK(sscanf(" 12,-0x1f,017", "%d,%i,%i", &a, &b, &n) == 3 && a == 12 && b == -31 && n == 15);
	CHECK(sscanf("ff 4294967295", "%x %u", &a, &u) == 2 && a == 255 && u == UINT_MAX);
	CHECK(sscanf("-9223372036854775808 -5", "%lld %hhd", &ll, &hh) == 2 && ll == LLONG_MIN && hh == -5);
	CHECK(sscanf("1.5 2.5e2 -.5", "%f %lf %Lf", &f, &d, &ld) == 3 && f == 1.5f && d == 250 && ld == -0.5L);
	CHECK(sscanf("1e400", "%Lf", &ld) == 1 && ld > (long double)DBL_MAX && !isinf(ld));
	CHECK(sscanf("inf nan", "%lf %f", &d, &f) == 2 && isinf(d) && isnan(f));
	CHECK(sscanf("key=value; rest", "%15[a-z]=%15[^;]%n", word, set, &n) == 2 && n == 9 &&
	      strcmp(set, "value") == 0);
	CHECK(sscanf("abcdef", "%3s%*c%c", word, set) == 2 && strcmp(word, "abc") == 0 && *set == 'e');
	CHECK(sscanf("x", "%d", &a) == 0 && sscanf("", "%d", &a) == EOF && sscanf("5 %", "%d %%%n", &a, &n) == 1);
	snprintf(word, sizeof word, "%p", (void *)0x1234);
	CHECK(sscanf(word, "%p", &p) == 1 && p == (void *)0x1234);
	CHECK(sscanf("wide", "%7ls", wide) == 1 && wcscmp(wide, L"wide") == 0);
	CHECK(sscanf("123456", "%2d%3d", &a, &b) == 2 && a == 12 && b == 345);
}

/* 7.21.4 to 7.21.10, as far as there is something to open. */
PROOF(streams)
{
	char name[L_tmpnam], line[8] = "x";
	errno = 0;
	CHECK(!fopen("new", "w") && errno == EROFS && !tmpfile() && !freopen("missing", "r", stdin));
	CHECK(rename("a", "b") && remove("a"));
	CHECK(tmpnam(name) == name && BUFSIZ >= 256 && FOPEN_MAX >= 8 && FILENAME_MAX > 0 && TMP_MAX >= 25);
	CHECK(fputs("text", stdout) >= 0 && putchar('\n') == '\n' && fflush(stdout) == 0 && !ferror(stdout));
	CHECK(fwrite("raw\n", 1, 4, stdout) == 4 && fwrite("", 0, 5, stdout) == 0);
	CHECK(ungetc('u', stderr) == EOF || ungetc(EOF, stderr) == EOF);
	CHECK(line[0] == 'x');
}

/* 7.22.1 */
PROOF(converts)
{
	char *end;
	errno = 0;
	CHECK(strtol("  +42x", &end, 10) == 42 && *end == 'x' && strtol("0x", &end, 16) == 0 && *end == 'x');
	CHECK(strtol("zz", NULL, 36) == 35 * 36 + 35 && strtoul("-1", NULL, 10) == ULONG_MAX && !errno);
	CHECK(strtol("99999999999999999999", NULL, 10) == LONG_MAX && errno == ERANGE);
	errno = 0;
	CHECK(strtoll("-99999999999999999999", NULL, 10) == LLONG_MIN && errno == ERANGE);
	errno = 0;
	CHECK(strtod("1e999", NULL) == HUGE_VAL && errno == ERANGE);
	CHECK(strtod("infinityx", &end) == HUGE_VAL && *end == 'x' && isnan(strtod("nan(123)x", &end)) && *end == 'x');
	CHECK(strtod("0x1.fp3", NULL) == 15.5 && strtof("0.1", NULL) == 0.1f && strtod(".", &end) == 0 && *end == '.');
	CHECK(strtod("2.2250738585072011e-308", NULL) == 2.2250738585072011e-308);
	CHECK(atoi("12x") == 12 && atol("-5") == -5 && atoll("7") == 7 && atof("2.5") == 2.5);
}

/* 7.22.2: what rand() gives before srand() is what it gives after srand(1). */
PROOF(pseudo_random)
{
	int first[8];
	for (int i = 0; i < 8; i++)
		first[i] = rand();
	srand(1);
	for (int i = 0; i < 8; i++) {
		int r = rand();
		CHECK(r == first[i] && r >= 0);
	}
	CHECK(RAND_MAX >= 32767);
}

static int by_value(const void *a, const void *b)
{
	return (*(const int *)a > *(const int *)b) - (*(const int *)a < *(const int *)b);
}

/* 7.22.3 to 7.22.6 */
PROOF(searches)
{
	int numbers[500], wanted = 499 * 7 % 500;
	for (int i = 0; i < 500; i++)
		numbers[i] = i * 7 % 500;
	qsort(numbers, 500, sizeof *numbers, by_value);
	for (int i = 0; i < 500; i++)
		CHECK_IS(numbers[i], i);
	const int *found = bsearch(&wanted, numbers, 500, sizeof *numbers, by_value);
	CHECK(found && *found == wanted);
	div_t d = div(-7, 2);
	lldiv_t l = lldiv(-7, 2);
	CHECK(d.quot == -3 && d.rem == -1 && l.quot == -3 && l.rem == -1 && labs(-5L) == 5 && llabs(-5LL) == 5);
	void *p = aligned_alloc(256, 512);
	CHECK(p && (uintptr_t)p % 256 == 0);
	free(p);
	CHECK(!getenv("NO_SUCH") && setenv("SUCH", "yes", 1) == 0 && strcmp(getenv("SUCH"), "yes") == 0);
	CHECK(system(NULL) == 0);
}

/* 7.22.7, 7.22.8: in the C locale a byte is a character. */
PROOF(multibyte)
{
	wchar_t wide[8], c;
	char narrow[8];
	CHECK(MB_CUR_MAX >= 1 && mblen("a", 1) == 1 && mbtowc(&c, "a", 1) == 1 && c == L'a' &&
	      wctomb(narrow, L'b') == 1);
	CHECK(mbstowcs(wide, "wide", 8) == 4 && wcscmp(wide, L"wide") == 0);
	CHECK(wcstombs(narrow, L"back", 8) == 4 && strcmp(narrow, "back") == 0);
	CHECK(mblen("", 1) == 0 && mblen(NULL, 0) == 0);
}

/* 7.24 */
PROOF(strings)
{
	char text[32] = "one", *rest;
	volatile size_t most = 2;
	CHECK(strcmp(strcat(strcpy(text, "one"), " two"), "one two") == 0 && strncmp(text, "one!", 3) == 0);
	memset(text, 'x', sizeof text);
	CHECK(strncpy(text, "ab", 5) == text && !memcmp(text, "ab\0\0\0x", 6) &&
	      strcmp(strncat(text, "cdef", most), "abcd") == 0);
	CHECK(!memcmp(memmove(text + 1, text, 4), "abcd", 4) && memchr(text, 'c', 8) == text + 3);
	CHECK(strchr("abca", 'a')[1] == 'b' && !strrchr("abca", 'a')[1] && !*strchr("abc", 0) && !strchr("abc", 'x'));
	CHECK(strspn("aabc", "ab") == 3 && strcspn("aabc", "c") == 3 && *strpbrk("hello", "lo") == 'l');
	CHECK(!strcmp(strstr("hello", "ll"), "llo") && !strcmp(strstr("x", ""), "x") && !strstr("a", "ab"));
	strcpy(text, ",a,,b");
	CHECK(!strcmp(strtok(text, ","), "a") && !strcmp(strtok(NULL, ","), "b") && !strtok(NULL, ","));
	strcpy(text, "a b");
	CHECK(!strcmp(strtok_r(text, " ", &rest), "a") && !strcmp(strtok_r(NULL, " ", &rest), "b"));
	CHECK(memcmp("\xff", "\x01", 1) > 0 && strcmp("\xff", "\x01") > 0);
}

/* 7.27 */
PROOF(times)
{
	struct tm t = {.tm_year = 124, .tm_mon = 1, .tm_mday = 30, .tm_hour = 25, .tm_isdst = -1};
	char text[96];
	struct timespec now;
	time_t at = mktime(&t), zero = 0;
	CHECK(t.tm_mon == 2 && t.tm_mday == 2 && t.tm_hour == 1 && t.tm_wday == 6 && t.tm_yday == 61);
	CHECK(at == 1709341200 && difftime(at, at - 5) == 5);
	CHECK(strftime(text, sizeof text, "%a %A %b %B %d %H %I %j %m %M %p %S %U %w %W %y %Y %%", &t));
	CHECK(!strcmp(text, "Sat Saturday Mar March 02 01 01 062 03 00 AM 00 08 6 09 24 2024 %"));
	CHECK(strftime(text, sizeof text, "%C %D %e %F %g %G %h %n%R %t%T %u %V %z", &t));
	CHECK(!strcmp(text, "20 03/02/24  2 2024-03-02 24 2024 Mar \n01:00 \t01:00:00 6 09 +0000"));
	CHECK(strftime(text, 3, "%Y", &t) == 0);
	CHECK(!strcmp(asctime(gmtime(&zero)), "Thu Jan  1 00:00:00 1970\n") &&
	      !strcmp(ctime(&zero), asctime(localtime(&zero))));
	CHECK(clock_gettime(CLOCK_REALTIME, &now) == 0 && now.tv_nsec >= 0 && now.tv_nsec < 1000000000);
	CHECK(clock() != (clock_t)-1 && time(NULL) > 1600000000);
}

/* 7.29, 7.30 */
PROOF(wide_strings)
{
	wchar_t text[16], *end, *state, words[] = L"a b";
	mbstate_t shift = {0};
	const char *from = "mbs";
	CHECK(wcslen(wcscat(wcscpy(text, L"ab"), L"cd")) == 4 && wcscmp(L"a", L"b") < 0 &&
	      wcsstr(text, L"cd") == text + 2);
	CHECK(wcstol(L"42x", &end, 10) == 42 && *end == L'x' && wcstod(L"2.5", NULL) == 2.5);
	CHECK(wcstold(L"1e400", NULL) > (long double)DBL_MAX);
	CHECK(wmemcmp(wmemset(text, L'x', 3), L"xxx", 3) == 0 && wcschr(text, L'x') == text &&
	      wcsspn(L"aab", L"a") == 2);
	CHECK(!wcscmp(wcstok(words, L" ", &state), L"a") && !wcscmp(wcstok(NULL, L" ", &state), L"b"));
	CHECK(mbsrtowcs(text, &from, 16, &shift) == 3 && !from && !wcscmp(text, L"mbs") && mbsinit(&shift));
	CHECK(btowc('a') == L'a' && wctob(L'a') == 'a' && btowc(EOF) == WEOF);
	CHECK(iswalpha(L'a') && !iswalpha(L'1') && towupper(L'a') == L'A' && iswctype(L'5', wctype("digit")));
	CHECK(towctrans(L'a', wctrans("toupper")) == L'A');
}

/* What POSIX promises of the few calls beneath: bad arguments are refused, and nothing is made of them. */
PROOF(system_calls)
{
	struct timespec t = {.tv_nsec = 1000000000};
	errno = 0;
	CHECK(write(1, NULL, 5) == -1 && errno == EFAULT);
	CHECK(write(1, (void *)(UINT64_MAX - 4096), 5) == -1 && errno == EFAULT);
	CHECK(write(1, NULL, 0) == 0 && write(-1, "", 0) == -1 && errno == EBADF);
	CHECK(open("new", O_RDWR | O_CREAT | O_EXCL, 0600) == -1 && errno == EROFS);
	CHECK(open("new", O_RDONLY) == -1 && errno == ENOENT);
	CHECK(nanosleep(&t, NULL) == -1 && errno == EINVAL && close(99) == -1 && errno == EBADF && isatty(1));
	CHECK(kill(getpid(), 0) == 0 && kill(12345, 0) == -1 && errno == ESRCH);
}

static const struct property all[] = {
	{"complex", complex_numbers},
	{"characters", characters},
	{"error-numbers", error_numbers},
	{"rounding", rounding},
	{"limits", limits},
	{"widest-integers", widest_integers},
	{"locales", locales},
	{"mathematics", mathematics},
	{"long-doubles", long_doubles},
	{"jumps-to", jumps_to},
	{"signals", signals},
	{"prints-integers", prints_integers},
	{"prints-floats", prints_floats},
	{"prints-long-doubles", prints_long_doubles},
	{"prints-wide", prints_wide},
	{"scans", scans},
	{"streams", streams},
	{"converts", converts},
	{"pseudo-random", pseudo_random},
	{"searches", searches},
	{"multibyte", multibyte},
	{"strings", strings},
	{"times", times},
	{"wide-strings", wide_strings},
	{"system-calls", system_calls},
};
PROPERTIES(all)
