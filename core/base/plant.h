/* plant.h - bugs on purpose: the simulator must catch each of them, else its checkers are blind.
 *
 * Only a build with -DCAIRN_PLANT has them at all; everywhere else PLANTED(x) is the constant
 * false and the compiler drops the branch. */
#ifndef CORE_BASE_PLANT_H
#define CORE_BASE_PLANT_H

#include <stdbool.h>
#include <stdint.h>

enum plant {
    PLANT_JOURNAL_FLUSH, /* store: acknowledge without the durable write */
    PLANT_REPLAY_ORDER,  /* store: replay the journal in the wrong order */
    PLANT_REUSE_EARLY,   /* store: hand out a freed extent before the checkpoint */
    PLANT_EARLY_ACK,     /* osd: acknowledge before the replicas */
    PLANT_SKIP_MERGE,    /* osd: skip the log merge */
    PLANT_NO_LEASE,      /* osd: read without a lease */
    PLANT_FORGET_REQID,  /* osd: forget a request id */
    PLANT_NO_UP_THRU,    /* osd: activate without up_thru */
    PLANT_TRIM_TOO_FAR,  /* osd: trim the log too far */
    PLANT_EARLY_REPEAT,  /* osd: answer a repeat before its entry is durable */

    PLANT_BUCKETS,                      /* from here on: seen with gateways and buckets only */
    PLANT_GARBAGE_LOST = PLANT_BUCKETS, /* s3: replace an object without noting its data */
    PLANT_UNRIPE,                       /* s3: collect what readers and writers may still use */
    PLANT_NO_REDATE,                    /* s3: read a replaced object without re-dating it */
    PLANT_PARTS_ALL,                    /* s3: delete the parts that an object is made of */
    PLANT_REPEAT_ANEW,                  /* s3: a repeated completion has another result */
    PLANT_DROP_UNSEEN,                  /* s3: delete a bucket without looking into it */
    PLANT_REOPEN_BLIND,                 /* s3: reopen a closed shard without asking the record */
    PLANT_LIST_SKIP,                    /* s3: skip keys at the border of a page */
    PLANT_LIST_SHARD,                   /* s3: skip keys at the border of a shard */
    PLANT_SPLIT_WRITES,                 /* s3: write to a range that is being copied */
    PLANT_COPY_UNLISTED,                /* s3: share data without coming into its list */
    PLANT_RELEASE_ALL,                  /* s3: erase shared data when the first one leaves */
    PLANT_COPY_FORGOTTEN,               /* s3: leave a copy that died in the list */
    PLANT_COND_EARLY,                   /* s3: judge a condition before the commit */
    PLANT_COUNT_TWICE,                  /* s3: count what was replaced, too */
    PLANT_CHANGE_BLIND,                 /* s3: exchange tags without looking who was faster */
    PLANT_COUNT
};

#ifdef CAIRN_PLANT
bool plant_active(enum plant p);
void plant_set(uint32_t mask); /* 1 << plant, or'ed; before anything runs */
#define PLANTED(p) plant_active(p)
#else
#define PLANTED(p) false
#endif

#endif
