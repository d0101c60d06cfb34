/* ldb_env.h - what LevelDB asks of the operating system, for one database. */
#ifndef CORE_ENV_LDB_ENV_H
#define CORE_ENV_LDB_ENV_H

#include <atomic>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <leveldb/env.h>

#include "core/env/ldb.h"

namespace cairn
{

/* Owned by its database and closed after it.  Threads: any, as LevelDB calls it. */
class FolderEnv final : public leveldb::Env
{
  public:
    explicit FolderEnv(const ldb_hooks *hooks); /* borrowed; may be NULL */
    ~FolderEnv() override;                      /* waits for the background thread */

    /* May this be done?  0, or the errno it is to fail with: the hook's, or for changes the one
     * that broke us. */
    int before(ldb_call call, const std::string &path, const std::string &to = std::string(),
               const void *data = nullptr, size_t bytes = 0) const;
    /* A failed operation as LevelDB's status; its errno is kept for last_errno. */
    leveldb::Status failed(const std::string &path, int err);
    /* The same for a change: no other will be made. */
    leveldb::Status broken(const std::string &path, int err);
    /* From now on a change that finds no room is (or is not) tried again until there is some. */
    void wait_for_room(bool wait);
    /* A change failed with this errno.  True, after a while: try it again. */
    bool again(int err);
    int last_errno() const; /* of the change that broke us, else of the latest failure; 0: none */
    bool busy() const;      /* LockFile met another holder */
    leveldb::Status SyncFolder(const std::string &folder);

    leveldb::Status NewSequentialFile(const std::string &path,
                                      leveldb::SequentialFile **out) override;
    leveldb::Status NewRandomAccessFile(const std::string &path,
                                        leveldb::RandomAccessFile **out) override;
    leveldb::Status NewWritableFile(const std::string &path, leveldb::WritableFile **out) override;
    bool FileExists(const std::string &path) override;
    leveldb::Status GetChildren(const std::string &folder, std::vector<std::string> *out) override;
    leveldb::Status RemoveFile(const std::string &path) override;
    leveldb::Status CreateDir(const std::string &folder) override;
    leveldb::Status RemoveDir(const std::string &folder) override;
    leveldb::Status GetFileSize(const std::string &path, uint64_t *out_bytes) override;
    leveldb::Status RenameFile(const std::string &from, const std::string &to) override;
    leveldb::Status LockFile(const std::string &path, leveldb::FileLock **out) override;
    leveldb::Status UnlockFile(leveldb::FileLock *lock) override;
    void Schedule(void (*function)(void *), void *arg) override;
    void StartThread(void (*function)(void *), void *arg) override;
    leveldb::Status GetTestDirectory(std::string *out) override;
    leveldb::Status NewLogger(const std::string &path, leveldb::Logger **out) override;
    uint64_t NowMicros() override;
    void SleepForMicroseconds(int micros) override;

  private:
    struct Job {
        void (*function)(void *);
        void *arg;
    };
    void Run();
    leveldb::Status ManifestMend(leveldb::SequentialFile **file);

    const ldb_hooks *const hooks_;
    std::atomic<int> last_errno_{0};
    std::atomic<int> broken_{0}; /* errno of the first change that failed */
    std::atomic<bool> busy_{false};
    std::atomic<bool> waits_{false};
    std::mutex mutex_; /* guards what follows */
    std::condition_variable more_;
    std::deque<Job> jobs_;
    bool stopping_ = false;
    std::thread thread_; /* started by the first job */
};

/* The folder that holds `path`. */
std::string FolderOf(const std::string &path);

/* Says nothing: what matters comes back as a status. */
class SilentLogger final : public leveldb::Logger
{
  public:
    void Logv(const char *, std::va_list) override
    {
    }
};

} // namespace cairn

#endif
