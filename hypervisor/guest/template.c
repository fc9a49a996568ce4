/* SPDX-License-Identifier: MIT */
#include "guest/template.h"

#include <stdlib.h>

#include "image/files.h"
#include "image/image.h"

struct template *template_get(struct template *t)
{
	atomic_fetch_add(&t->refs, 1);
	return t;
}

void template_put(struct template *t)
{
	if (!t || atomic_fetch_sub(&t->refs, 1) != 1)
		return;
	account_uncharge(&t->account, ACCOUNT_FROZEN, account_bytes(&t->account, ACCOUNT_FROZEN));
	frozen_put(t->frozen);
	image_put(t->image);
	files_put(t->files);
	free(t->name);
	free(t->domain);
	free(t->path);
	free(t->listeners);
	free(t->ops);
	free(t);
}
