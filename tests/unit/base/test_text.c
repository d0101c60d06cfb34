/* Reasons, notes, UTF-8. */
#include "tests/unit/t.h"
#include "core/base/note.h"
#include "core/base/rng.h"
#include "core/base/utf8.h"

T(reason, numbers_never_change)
{
    static const struct {
        int code, number;
    } rows[] = {
        /* the wire knows these: a failure here means that a row was moved */
        {R_CSUM_MISMATCH, 1001}, {R_TOO_NEW, 1004},    {R_STORE_FAILED, 1008}, {R_WRONG_PG, 1012},
        {R_UNKNOWN_OP, 1015},    {R_NOT_LEADER, 1022}, {R_OLD_SHARD, 1030},
    };

    T_CASES (row, rows)
        T_EQ(row->code, row->number);
}

T(reason, folds_to_its_errno_and_leaves_other_codes_alone)
{
    T_EQ(reason_errno(0), 0);
    T_EQ(reason_errno(17), 17);
    T_EQ(reason_errno(2000), 2000);
    T_EQ(reason_errno(-ENOMEM), -ENOMEM);
    T_EQ(reason_errno(-999), -999);
    T_EQ(reason_errno(-R_CSUM_MISMATCH), -EIO);
    T_EQ(reason_errno(-R_OLD_SHARD), -ESTALE);
    T_EQ(reason_errno(-R_FIRST), -EIO); /* no row */
    T_EQ(reason_errno(-R_END), -EIO);   /* a newer peer's */
    T_EQ(reason_errno(INT32_MIN), -EIO);
}

T(reason, every_code_has_a_name_and_a_text)
{
    T_STR_EQ(reason_name(0), "OK");
    T_STR_EQ(reason_name(3), "OK");
    T_STR_EQ(reason_name(-ENOENT), "ENOENT");
    T_STR_EQ(reason_name(-R_STORE_FULL), "STORE_FULL");
    T_STR_EQ(reason_name(-R_END), "UNKNOWN");
    T_STR_EQ(reason_name(-998), "UNKNOWN");
    T_STR_EQ(reason_text(-R_TOO_NEW), "written by a newer version that this one cannot read");
    T_STR_EQ(reason_text(-ENOENT), "No such file or directory");
    for (int code = -R_END - 2; code < 2; code++) {
        T_TRUE(reason_name(code)[0] != '\0');
        T_TRUE(reason_text(code)[0] != '\0');
    }
}

T(note, each_layer_puts_what_it_knows_in_front)
{
    struct note why = {{0}};

    note_set(&why, "stored checksum and data disagree");
    note_add(&why, "superblock at byte %u", 0);
    note_add(&why, "osd.%d", 2);
    T_STR_EQ(why.text, "osd.2: superblock at byte 0: stored checksum and data disagree");
    note_set(&why, "%s", "anew");
    T_STR_EQ(why.text, "anew");
    note_add(NULL, "nobody asks");
    note_set(NULL, "nobody asks");
}

T(note, may_be_built_from_itself)
{
    struct note why = {{0}};

    note_add(&why, "first");
    note_set(&why, "[%s]", why.text);
    T_STR_EQ(why.text, "[first]");
}

T(note, is_cut_at_the_end_between_characters)
{
    struct note why = {{0}};
    char text[400];

    for (unsigned before = 0; before < 4; before++) {
        memset(text, 'x', before);
        for (unsigned i = before; i + 3 < sizeof(text); i += 3)
            memcpy(text + i, "\xe2\x82\xac", 4);
        note_set(&why, "%s", text);
        T_GE(strlen(why.text), NOTE_BYTES - 4);
        T_LT(strlen(why.text), NOTE_BYTES);
        T_TRUE(utf8_valid(why.text, strlen(why.text)));
        note_add(&why, "front");
        T_MEM_EQ(why.text, "front: ", 7);
        T_LT(strlen(why.text), NOTE_BYTES);
        T_TRUE(utf8_valid(why.text, strlen(why.text)));
    }
}

T(utf8, accepts_what_unicode_allows_and_nothing_else)
{
    static const struct {
        const char *text;
        bool ok;
    } rows[] = {
        {"", true},
        {"plain", true},
        {"\xc3\xa9\xe2\x82\xac\xf0\x9f\x97\xbb", true},
        {"\xed\x9f\xbf\xee\x80\x80\xf4\x8f\xbf\xbf", true},
        {"\x80", false},
        {"\xc0\xaf", false},         /* overlong */
        {"\xc1\xbf", false},         /* overlong */
        {"\xe0\x9f\xbf", false},     /* overlong */
        {"\xf0\x8f\xbf\xbf", false}, /* overlong */
        {"\xed\xa0\x80", false},     /* a surrogate */
        {"\xf4\x90\x80\x80", false}, /* past the end */
        {"\xf5\x80\x80\x80", false},
        {"\xff", false},
        {"a\xc3", false}, /* cut */
        {"\xe2\x82", false},
        {"\xf0\x9f\x97", false},
        {"\xe2\x82z", false},
        {"\xf0\x9f\x97z", false},
    };

    T_CASES (row, rows)
        T_EQ(utf8_valid(row->text, strlen(row->text)), row->ok);
}
