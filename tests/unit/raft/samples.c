/* samples.c - never change what is here: golden files hold it.  Add. */
#include "tests/unit/raft/samples.h"

#define TEXT(s)                                                                                    \
    {                                                                                              \
        (const uint8_t *)(s), sizeof(s) - 1                                                        \
    }

static const struct raft_entry entries[] = {
    {.pos = {8, 3}, .type = RAFT_NOOP},
    {.pos = {9, 3}, .type = RAFT_DATA, .data = TEXT("osd.2 is down")},
    {.pos = {10, 4}, .type = RAFT_CONFIG, .data = TEXT("members")},
};

struct raft_entry sample_entry(void)
{
    return entries[1];
}

struct raft_snap sample_snap(void)
{
    return (struct raft_snap){
        .pos = {100, 4},
        .bytes = 1000,
        .members = {.count = 3, .m = {{.id = 1}, {.id = 2}, {.id = 7, .learner = true}}},
    };
}

struct raft_msg sample_msg(uint32_t i)
{
    const struct raft_msg msgs[SAMPLE_MSGS] = {
        {.type = RAFT_MSG_VOTE, .pos = {7, 3}, .force = true},
        {.type = RAFT_MSG_VOTE_REPLY, .ok = true},
        {.type = RAFT_MSG_PREVOTE, .pos = {0, 0}},
        {.type = RAFT_MSG_PREVOTE_REPLY, .ok = false},
        {.type = RAFT_MSG_APPEND,
         .pos = {7, 3},
         .commit = 6,
         .round = 41,
         .sent_ms = 123456,
         .entries = entries,
         .entry_count = ARRAY_LEN(entries)},
        {.type = RAFT_MSG_APPEND_REPLY, .pos = {10, 4}, .round = 41, .sent_ms = 123456, .ok = true},
        {.type = RAFT_MSG_HEARTBEAT, .commit = 10, .round = 42, .sent_ms = 123556},
        {.type = RAFT_MSG_HEARTBEAT_REPLY,
         .pos = {10, 4},
         .commit = 9,
         .round = 42,
         .sent_ms = 123556,
         .ok = true},
        {.type = RAFT_MSG_SNAPSHOT,
         .pos = {100, 4},
         .round = 43,
         .sent_ms = 123656,
         .snap = sample_snap(),
         .offset = 512,
         .chunk = TEXT("part of the state")},
        {.type = RAFT_MSG_SNAPSHOT_REPLY, .pos = {100, 4}, .round = 43, .offset = 529, .ok = true},
        {.type = RAFT_MSG_READ, .read_id = UINT64_C(0x1122334455667788)},
        {.type = RAFT_MSG_READ_REPLY, .commit = 10, .read_id = UINT64_C(0x1122334455667788)},
        {.type = RAFT_MSG_TIMEOUT_NOW},
        {.type = RAFT_MSG_APPEND_REPLY, .pos = {5, 2}, .refused_index = 7, .round = 41},
    };
    struct raft_msg m = msgs[i];

    m.from = 2;
    m.to = 1;
    m.term = 4;
    return m;
}
