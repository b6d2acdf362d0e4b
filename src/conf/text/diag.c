/*
 * What is wrong with a configuration: gathered, sorted by line.
 */
#include "conf/text/diag.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf/errors.h"
#include "conf/heap.h"

void
conf_diags_init(struct conf_diags *diags)
{
	memset(diags, 0, sizeof *diags);
}

void
conf_diags_clear(struct conf_diags *diags)
{
	size_t i;

	for (i = 0; i < diags->n; i++)
		free(diags->rows[i].text);
	diags->n = 0;
}

void
conf_diags_fini(struct conf_diags *diags)
{
	conf_diags_clear(diags);
	free(diags->rows);
	memset(diags, 0, sizeof *diags);
}

/* Text from a file may hold anything; a message is one printable line. */
static void
diag_make_printable(char *text)
{
	unsigned char *p;

	for (p = (unsigned char *)text; *p != '\0'; p++)
		if (*p < 0x20 || *p == 0x7f)
			*p = '?';
}

void
conf_diag(struct conf_diags *diags, struct conf_place at, const char *fmt, ...)
{
	char text[CONF_ERROR_MAX];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	diag_make_printable(text);
	diags->rows = conf_grow(diags->rows, diags->n, &diags->cap,
	    sizeof *diags->rows);
	diags->rows[diags->n++] =
	    (struct conf_diag){ .at = at, .text = conf_strdup(text) };
}

/* By file, then line, then text (qsort is not stable). */
static int
diag_order(const void *va, const void *vb)
{
	const struct conf_diag *a = va, *b = vb;
	int order = strcmp(a->at.file, b->at.file);

	if (order != 0)
		return (order);
	if (a->at.line != b->at.line)
		return (a->at.line < b->at.line ? -1 : 1);
	return (strcmp(a->text, b->text));
}

void
conf_diags_sort(struct conf_diags *diags)
{
	if (diags->n > 1)
		qsort(diags->rows, diags->n, sizeof *diags->rows, diag_order);
}
