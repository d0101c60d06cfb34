/* ldb.cc - LevelDB behind ldb.h. */
#include "core/env/ldb.h"

#include <cerrno>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include <leveldb/cache.h>
#include <leveldb/db.h>
#include <leveldb/filter_policy.h>
#include <leveldb/write_batch.h>

#include "core/env/ldb_env.h"

using leveldb::ReadOptions;
using leveldb::Slice;
using leveldb::Status;
using leveldb::WriteOptions;

namespace
{

constexpr int kTablesOpen = 200;
constexpr size_t kTableBytes = 8 << 20;
constexpr int kFilterBits = 10;

} // namespace

struct ldb {
    std::string folder;
    cairn::FolderEnv env;
    cairn::SilentLogger logger;
    std::unique_ptr<leveldb::Cache> cache;
    std::unique_ptr<const leveldb::FilterPolicy> filter;
    std::unique_ptr<leveldb::DB> db; /* last: it goes first */

    ldb(const char *where, const ldb_hooks *hooks) : folder(where), env(hooks)
    {
    }
    int code(const Status &s) const
    {
        if (s.ok())
            return 0;
        if (s.IsNotFound())
            return -ENOENT;
        if (s.IsCorruption())
            return -EBADMSG;
        if (env.last_errno() == ENOENT) /* a file that another one names: damage, not a bad disk */
            return -EBADMSG;
        return env.last_errno() ? -env.last_errno() : -EIO;
    }
};

namespace
{

leveldb::Options OptionsOf(ldb *d, uint32_t cache_bytes, uint32_t write_buffer_bytes)
{
    leveldb::Options options;

    d->cache.reset(leveldb::NewLRUCache(cache_bytes));
    d->filter.reset(leveldb::NewBloomFilterPolicy(kFilterBits));
    options.env = &d->env;
    options.info_log = &d->logger;
    options.write_buffer_size = write_buffer_bytes;
    options.block_cache = d->cache.get();
    options.filter_policy = d->filter.get();
    options.compression = leveldb::kNoCompression; /* keys and checksums: it costs too much */
    options.max_open_files = kTablesOpen;
    options.max_file_size = kTableBytes;
    return options;
}

} // namespace

struct ldb_batch {
    leveldb::WriteBatch batch;
};

struct ldb_iter {
    std::unique_ptr<leveldb::Iterator> it;
    const ldb *db;
    bool started = false;
};

int ldb_open(const char *folder, const struct ldb_conf *conf, struct ldb **out_db, char *why,
             size_t why_bytes)
{
    std::unique_ptr<ldb> d(new ldb(folder, conf->hooks));
    leveldb::DB *db = nullptr;
    leveldb::Options options;
    Status s;

    /* LevelDB would make the folder even when it must not make the database. */
    if (!conf->create && !d->env.FileExists(d->folder + "/CURRENT")) {
        snprintf(why, why_bytes, "there is no database");
        return -ENOENT;
    }
    options = OptionsOf(d.get(), conf->cache_bytes, conf->write_buffer_bytes);
    options.create_if_missing = conf->create;
    s = leveldb::DB::Open(options, d->folder, &db);
    d->db.reset(db);
    if (!s.ok()) {
        int rc = d->env.busy() ? -EBUSY : d->code(s);

        snprintf(why, why_bytes, "%s", s.ToString().c_str());
        return rc == -ENOENT ? -EBADMSG : rc; /* a part of it is missing */
    }
    *out_db = d.release();
    return 0;
}

void ldb_close(struct ldb *db)
{
    delete db;
}

int ldb_get(struct ldb *db, const void *key, size_t key_bytes,
            int (*value)(void *arg, const void *data, size_t bytes), void *arg)
{
    std::string found;
    Status s = db->db->Get(ReadOptions(), Slice((const char *)key, key_bytes), &found);

    return s.ok() ? value(arg, found.data(), found.size()) : db->code(s);
}

/* The repaired database has all its tables on the level where the file with the highest number
 * wins, whatever the rows in it say of their age; only a merge of all of them makes the newest row
 * of each key the one that a get finds. */
int ldb_salvage(const char *folder, char *why, size_t why_bytes)
{
    std::unique_ptr<ldb> d(new ldb(folder, nullptr));
    leveldb::Options options = OptionsOf(d.get(), 1 << 20, 4 << 20);
    leveldb::DB *db = nullptr;
    Status s;

    if (!d->env.FileExists(d->folder)) {
        snprintf(why, why_bytes, "there is no folder");
        return -ENOENT;
    }
    s = leveldb::RepairDB(d->folder, options);
    if (s.ok())
        s = leveldb::DB::Open(options, d->folder, &db);
    d->db.reset(db);
    if (s.ok()) {
        db->CompactRange(nullptr, nullptr);
        s = db->Write(WriteOptions(), nullptr); /* says what the merge did not */
    }
    if (s.ok())
        s = d->env.SyncFolder(d->folder);
    if (!s.ok())
        snprintf(why, why_bytes, "%s", s.ToString().c_str());
    return d->code(s);
}

struct ldb_batch *ldb_batch_create(void)
{
    return new ldb_batch;
}

void ldb_batch_destroy(struct ldb_batch *b)
{
    delete b;
}

void ldb_batch_put(struct ldb_batch *b, const void *key, size_t key_bytes, const void *value,
                   size_t value_bytes)
{
    b->batch.Put(Slice((const char *)key, key_bytes), Slice((const char *)value, value_bytes));
}

void ldb_batch_delete(struct ldb_batch *b, const void *key, size_t key_bytes)
{
    b->batch.Delete(Slice((const char *)key, key_bytes));
}

int ldb_write(struct ldb *db, struct ldb_batch *b)
{
    return db->code(db->db->Write(WriteOptions(), &b->batch));
}

/* A write of no batch makes LevelDB change to a new memory table, which is also what its
 * CompactRange begins with; but that one returns nothing, and a change that failed for want of a
 * log file would pass for a checkpoint.  The change is reported here, and the second one waits
 * until the first one's table is written, synced and named by a synced manifest, or reports why
 * it was not. */
int ldb_checkpoint(struct ldb *db)
{
    Status s = db->db->Write(WriteOptions(), nullptr);

    if (s.ok())
        s = db->db->Write(WriteOptions(), nullptr);
    if (s.ok())
        s = db->env.SyncFolder(db->folder);
    return db->code(s);
}

void ldb_wait_for_room(struct ldb *db, bool wait)
{
    db->env.wait_for_room(wait);
}

struct ldb_iter *ldb_iter_create(struct ldb *db, const void *from, size_t from_bytes)
{
    ldb_iter *it = new ldb_iter;

    it->db = db;
    it->it.reset(db->db->NewIterator(ReadOptions()));
    it->it->Seek(Slice((const char *)from, from_bytes));
    return it;
}

/* The status is asked at every step: over a damaged block LevelDB goes on with the next one. */
int ldb_iter_next(struct ldb_iter *it, const void **out_key, size_t *out_key_bytes,
                  const void **out_value, size_t *out_value_bytes)
{
    if (it->started && it->it->Valid())
        it->it->Next();
    it->started = true;
    if (!it->it->status().ok())
        return it->db->code(it->it->status());
    if (!it->it->Valid())
        return 0;
    *out_key = it->it->key().data();
    *out_key_bytes = it->it->key().size();
    *out_value = it->it->value().data();
    *out_value_bytes = it->it->value().size();
    return 1;
}

void ldb_iter_destroy(struct ldb_iter *it)
{
    delete it;
}

/* A damaged block stays in the iterator's status, so that once, at the end, is enough to ask. */
int ldb_scan(struct ldb *db, const void *from, size_t from_bytes, const void *to, size_t to_bytes,
             int (*row)(void *arg, const void *key, size_t key_bytes, const void *value,
                        size_t value_bytes),
             void *arg)
{
    std::unique_ptr<leveldb::Iterator> it(db->db->NewIterator(ReadOptions()));
    const Slice end((const char *)to, to_bytes);

    for (it->Seek(Slice((const char *)from, from_bytes)); it->Valid(); it->Next()) {
        const Slice key = it->key(), value = it->value();

        if (to_bytes && key.compare(end) >= 0)
            break;
        if (row(arg, key.data(), key.size(), value.data(), value.size()) != 0)
            break;
    }
    return db->code(it->status());
}

uint64_t ldb_bytes_on_disk(struct ldb *db)
{
    std::vector<std::string> names;
    uint64_t sum = 0, bytes;

    if (!db->env.GetChildren(db->folder, &names).ok())
        return 0;
    for (const std::string &name : names)
        if (name != "." && name != ".." &&
            db->env.GetFileSize(db->folder + "/" + name, &bytes).ok()) /* or it has just gone */
            sum += bytes;
    return sum;
}
