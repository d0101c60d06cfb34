/* crush_lex.h - words and numbers of the text form. */
#ifndef CORE_CRUSH_CRUSH_LEX_H
#define CORE_CRUSH_CRUSH_LEX_H

#include "core/crush/crush.h"

/* The text and the word under the cursor.  Words are separated by white space; braces and brackets
 * stand alone; '#' starts a comment up to the end of the line. */
struct lex {
    const char *at, *end;          /* borrowed */
    uint32_t line;                 /* of the word */
    char word[CRUSH_NAME_MAX + 1]; /* "" at the end of the text */
    int rc;                        /* the first failure; words are "" from then on */
    struct note *why;              /* borrowed */
};

void lex_init(struct lex *l, const char *text, size_t bytes, struct note *why);
void lex_next(struct lex *l);
/* Remember the first failure: "line 12: expected ...".  Returns l->rc. */
int lex_fail(struct lex *l, int rc, const char *fmt, ...) PRINTF_LIKE(3, 4);
int lex_expected(struct lex *l, const char *what); /* ... expected WHAT, got 'word' */

bool lex_is(const struct lex *l, const char *word);
bool lex_skip(struct lex *l, const char *word); /* true if it was there */
int lex_need(struct lex *l, const char *word);  /* fails if it was not */
int lex_int(struct lex *l, int32_t lo, int32_t hi, const char *what, int32_t *out);
int lex_name(struct lex *l, const char *what, char out[CRUSH_NAME_MAX + 1]);
int lex_weight(struct lex *l, uint32_t *out);

#endif
