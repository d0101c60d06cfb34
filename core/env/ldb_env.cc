/* ldb_env.cc - LevelDB's files, thread and lock, for one database.
 *
 * Where it differs from LevelDB's default Env, and why:
 * - A name is durable before anything can point to it: the folder is synced after a new file's
 *   first sync, after each rename and after making the folder.  Tables are synced before the
 *   manifest names them, the manifest before CURRENT does.
 * - Tables are read with pread: a bad sector is an error code, not SIGBUS.  Every block is checked
 *   against its checksum here, index and filter too: LevelDB itself leaves those two unchecked
 *   unless it is told to be paranoid, and would take a damaged one for "no such key".  Nobody asks
 *   for its own check of the same bytes, which is several times slower.
 * - A table that cannot be opened is an I/O error, never "not found": LevelDB would hand that code
 *   up as the answer for the key.
 * - After the first change that failed (create, append, sync, rename) no other is made, removals
 *   included: LevelDB cleans up after a failure, and where the folder's sync failed after CURRENT
 *   was renamed, that clean-up would remove the manifest that CURRENT now names.
 * - The manifest is shown to LevelDB without a torn tail.  A power cut may leave the last, unsynced
 *   record of it half written, and LevelDB would refuse to open; a record that is bad with good
 * ones behind it is rot, and stays for LevelDB to refuse.
 * - On a full file system changes can wait for room (nothing is told to LevelDB, which would never
 *   recover): the rows are safe in the caller's journal meanwhile.
 * - Each database has a thread of its own; one slow compaction does not hold up the others.
 * - The lock is flock's: two opens in one process conflict as well.
 * - Tests see each operation beforehand and can make it fail. */
#include "core/env/ldb_env.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <ctime>
#include <system_error>

#include <dirent.h>
#include <endian.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <leveldb/slice.h>
#include <leveldb/status.h>

extern "C" {
#include "core/base/crc.h"
}

using leveldb::Slice;
using leveldb::Status;

namespace cairn
{

namespace
{

constexpr size_t kWriteBuffer = 64 << 10;
constexpr auto kRoomRetry = std::chrono::milliseconds(20);
constexpr size_t kFooterBytes = 48;      /* of a table, at its end; has a magic of its own */
constexpr size_t kBlockTrailerBytes = 5; /* type, masked CRC32C of block and type */

int OpenRetry(const std::string &path, int flags)
{
    int fd;

    do
        fd = open(path.c_str(), flags | O_CLOEXEC, 0600);
    while (fd < 0 && errno == EINTR);
    return fd;
}

/* Read until `n` or the end of the file; -1 with errno. */
ssize_t ReadFully(int fd, bool at_offset, uint64_t offset, char *out, size_t n)
{
    size_t got = 0;

    while (got < n) {
        ssize_t step = at_offset ? pread(fd, out + got, n - got, (off_t)(offset + got))
                                 : read(fd, out + got, n - got);

        if (step == 0)
            break;
        if (step < 0 && errno != EINTR)
            return -1;
        if (step > 0)
            got += (size_t)step;
    }
    return (ssize_t)got;
}

bool IsLog(const std::string &path)
{
    return path.size() > 4 && path.compare(path.size() - 4, 4, ".log") == 0;
}

uint32_t Unmask(uint32_t masked)
{
    uint32_t rot = masked - 0xa282ead8u;

    return (rot >> 17) | (rot << 15);
}

bool BlockIsWhole(const char *block, size_t n)
{
    uint32_t masked;

    if (n < kBlockTrailerBytes)
        return false;
    memcpy(&masked, block + n - 4, 4);
    return Unmask(le32toh(masked)) == crc32c(0, block, n - 4);
}

/* --- the manifest: blocks of 32 KiB, records of crc (4 bytes), length (2), type (1), payload ---
 */

constexpr size_t kLogBlockBytes = 32768;
constexpr size_t kLogHeadBytes = 7;

/* The length of the whole record at `at` with its head, or 0: there is no good one. */
size_t RecordAt(const std::string &log, size_t at)
{
    size_t block_left = kLogBlockBytes - at % kLogBlockBytes;
    const uint8_t *head = (const uint8_t *)log.data() + at;
    uint32_t masked;
    size_t bytes;

    if (block_left < kLogHeadBytes || log.size() - at < kLogHeadBytes)
        return 0;
    bytes = kLogHeadBytes + head[4] + 256u * head[5];
    if (head[6] < 1 || head[6] > 4 || bytes > block_left || bytes > log.size() - at)
        return 0;
    memcpy(&masked, head, 4);
    return Unmask(le32toh(masked)) == crc32c(0, head + 6, bytes - 6) ? bytes : 0;
}

/* Cut what follows the last good record, unless what is bad lies in front of a good one. */
void TornTailCut(std::string *log)
{
    size_t at = 0, bytes;

    for (;;) {
        if (kLogBlockBytes - at % kLogBlockBytes < kLogHeadBytes)
            at += kLogBlockBytes - at % kLogBlockBytes; /* a block's end too small for a head */
        if (at >= log->size())
            return;
        bytes = RecordAt(*log, at);
        if (bytes == 0)
            break;
        at += bytes;
    }
    for (size_t behind = at + 1; behind < log->size(); behind++)
        if (RecordAt(*log, behind))
            return;
    log->resize(at);
}

class Remembered final : public leveldb::SequentialFile
{
  public:
    explicit Remembered(std::string text) : text_(std::move(text))
    {
    }
    Status Read(size_t n, Slice *result, char *scratch) override
    {
        n = std::min(n, text_.size() - at_);
        memcpy(scratch, text_.data() + at_, n);
        at_ += n;
        *result = Slice(scratch, n);
        return Status::OK();
    }
    Status Skip(uint64_t n) override
    {
        at_ += std::min<uint64_t>(n, text_.size() - at_);
        return Status::OK();
    }

  private:
    const std::string text_;
    size_t at_ = 0;
};

class ReadOnce final : public leveldb::SequentialFile
{
  public:
    ReadOnce(FolderEnv *env, std::string path, int fd) : env_(env), path_(std::move(path)), fd_(fd)
    {
    }
    ~ReadOnce() override
    {
        close(fd_);
    }
    Status Read(size_t n, Slice *result, char *scratch) override
    {
        int err = env_->before(LDB_READ, path_);
        ssize_t got = err ? -1 : ReadFully(fd_, false, 0, scratch, n);

        if (got < 0)
            return env_->failed(path_, err ? err : errno);
        *result = Slice(scratch, (size_t)got);
        return Status::OK();
    }
    Status Skip(uint64_t n) override
    {
        return lseek(fd_, (off_t)n, SEEK_CUR) < 0 ? env_->failed(path_, errno) : Status::OK();
    }

  private:
    FolderEnv *const env_;
    const std::string path_;
    const int fd_;
};

class TableFile final : public leveldb::RandomAccessFile
{
  public:
    TableFile(FolderEnv *env, std::string path, int fd, uint64_t bytes)
        : env_(env), path_(std::move(path)), fd_(fd), bytes_(bytes)
    {
    }
    ~TableFile() override
    {
        close(fd_);
    }
    Status Read(uint64_t offset, size_t n, Slice *result, char *scratch) const override
    {
        bool footer = n == kFooterBytes && offset + n == bytes_;
        int err = env_->before(LDB_READ, path_);
        ssize_t got = err ? -1 : ReadFully(fd_, true, offset, scratch, n);

        if (got < 0)
            return env_->failed(path_, err ? err : errno);
        if ((size_t)got < n)
            return Status::Corruption(path_, "the table ends too early");
        if (!footer && !BlockIsWhole(scratch, n))
            return Status::Corruption(path_, "checksum of a block");
        *result = Slice(scratch, n);
        return Status::OK();
    }

  private:
    FolderEnv *const env_;
    const std::string path_;
    const int fd_;
    const uint64_t bytes_;
};

class AppendFile final : public leveldb::WritableFile
{
  public:
    AppendFile(FolderEnv *env, std::string path, int fd, bool log)
        : env_(env), path_(std::move(path)), fd_(fd), log_(log)
    {
    }
    ~AppendFile() override
    {
        if (fd_ >= 0)
            close(fd_); /* LevelDB drops files it gave up: their bytes do not matter */
    }
    Status Append(const Slice &data) override
    {
        Status s;

        if (held_.size() + data.size() <= kWriteBuffer) {
            held_.append(data.data(), data.size());
            return s;
        }
        s = Write();
        if (s.ok() && data.size() > kWriteBuffer)
            return Put(data.data(), data.size());
        if (s.ok())
            held_.append(data.data(), data.size());
        return s;
    }
    /* Asked for after each block.  Tables and manifests mean nothing before they are synced. */
    Status Flush() override
    {
        return log_ ? Write() : Status::OK();
    }
    Status Sync() override
    {
        Status s = Write();
        int err = s.ok() ? env_->before(LDB_SYNC, path_) : 0;

        if (!s.ok())
            return s;
        if (err || fdatasync(fd_) < 0)
            return env_->broken(path_, err ? err : errno);
        if (named_)
            return s;
        s = env_->SyncFolder(FolderOf(path_));
        named_ = s.ok();
        return s;
    }
    Status Close() override
    {
        Status s = Write();

        if (close(fd_) < 0 && s.ok())
            s = env_->broken(path_, errno);
        fd_ = -1;
        return s;
    }

  private:
    Status Write()
    {
        Status s = Put(held_.data(), held_.size());

        held_.clear();
        return s;
    }
    Status Put(const char *data, size_t n)
    {
        int err;

        do
            err = n ? env_->before(LDB_APPEND, path_, std::string(), data, n) : 0;
        while (err && env_->again(err));
        if (err)
            return env_->broken(path_, err);
        while (n) {
            ssize_t step = write(fd_, data, n);

            if (step < 0 && errno != EINTR && !env_->again(errno))
                return env_->broken(path_, errno);
            if (step > 0) {
                data += step;
                n -= (size_t)step;
            }
        }
        return Status::OK();
    }

    FolderEnv *const env_;
    const std::string path_;
    int fd_;
    const bool log_;
    std::string held_;   /* not yet written */
    bool named_ = false; /* the folder was synced since the file was made */
};

class HeldLock final : public leveldb::FileLock
{
  public:
    explicit HeldLock(int fd) : fd_(fd)
    {
    }
    ~HeldLock() override
    {
        close(fd_);
    }

  private:
    const int fd_;
};

} // namespace

std::string FolderOf(const std::string &path)
{
    size_t slash = path.find_last_of('/');

    if (slash == std::string::npos)
        return ".";
    return slash == 0 ? "/" : path.substr(0, slash);
}

FolderEnv::FolderEnv(const ldb_hooks *hooks) : hooks_(hooks)
{
}

FolderEnv::~FolderEnv()
{
    {
        std::lock_guard<std::mutex> held(mutex_);

        stopping_ = true;
        more_.notify_all();
    }
    if (thread_.joinable())
        thread_.join();
}

int FolderEnv::before(ldb_call call, const std::string &path, const std::string &to,
                      const void *data, size_t bytes) const
{
    int err = call == LDB_READ ? 0 : broken_.load();

    if (err || !hooks_)
        return err;
    return hooks_->before(hooks_->arg, call, path.c_str(), to.c_str(), data, bytes);
}

Status FolderEnv::failed(const std::string &path, int err)
{
    const std::string text = std::generic_category().message(err);

    last_errno_.store(err);
    return err == ENOENT ? Status::NotFound(path, text) : Status::IOError(path, text);
}

Status FolderEnv::broken(const std::string &path, int err)
{
    int none = 0;

    broken_.compare_exchange_strong(none, err);
    return failed(path, err);
}

int FolderEnv::last_errno() const
{
    int err = broken_.load();

    return err ? err : last_errno_.load();
}

void FolderEnv::wait_for_room(bool wait)
{
    waits_.store(wait);
}

bool FolderEnv::again(int err)
{
    if ((err != ENOSPC && err != EDQUOT) || !waits_.load())
        return false;
    std::this_thread::sleep_for(kRoomRetry);
    return true;
}

bool FolderEnv::busy() const
{
    return busy_.load();
}

Status FolderEnv::SyncFolder(const std::string &folder)
{
    int err = before(LDB_FOLDER_SYNC, folder);
    int fd = err ? -1 : OpenRetry(folder, O_RDONLY | O_DIRECTORY);
    Status s;

    if (fd < 0)
        return broken(folder, err ? err : errno);
    if (fsync(fd) < 0)
        s = broken(folder, errno);
    close(fd);
    return s;
}

Status FolderEnv::NewSequentialFile(const std::string &path, leveldb::SequentialFile **out)
{
    int fd = OpenRetry(path, O_RDONLY);

    *out = nullptr;
    if (fd < 0)
        return failed(path, errno);
    *out = new ReadOnce(this, path, fd);
    return path.find("/MANIFEST-") == std::string::npos ? Status::OK() : ManifestMend(out);
}

/* Exchange the manifest just opened for its text without a torn tail. */
Status FolderEnv::ManifestMend(leveldb::SequentialFile **file)
{
    std::vector<char> scratch(kLogBlockBytes);
    std::string log;
    Slice part;
    Status s;

    do {
        s = (*file)->Read(scratch.size(), &part, scratch.data());
        log.append(part.data(), s.ok() ? part.size() : 0);
    } while (s.ok() && part.size() > 0);
    delete *file;
    *file = nullptr;
    if (!s.ok())
        return s;
    TornTailCut(&log);
    *file = new Remembered(std::move(log));
    return s;
}

Status FolderEnv::NewRandomAccessFile(const std::string &path, leveldb::RandomAccessFile **out)
{
    int err = before(LDB_READ, path);
    int fd = err ? -1 : OpenRetry(path, O_RDONLY);
    struct stat st;

    *out = nullptr;
    if (fd < 0 || fstat(fd, &st) < 0) {
        err = err ? err : errno;
        if (fd >= 0)
            close(fd);
        (void)failed(path, err); /* keeps the errno; its NotFound must not get out of here */
        return Status::IOError(path, "a table that the manifest names cannot be opened");
    }
    *out = new TableFile(this, path, fd, (uint64_t)st.st_size);
    return Status::OK();
}

Status FolderEnv::NewWritableFile(const std::string &path, leveldb::WritableFile **out)
{
    int err, fd;

    *out = nullptr;
    do {
        err = before(LDB_CREATE, path);
        fd = err ? -1 : OpenRetry(path, O_WRONLY | O_CREAT | O_TRUNC);
        err = fd < 0 && err == 0 ? errno : err;
    } while (err && again(err));
    if (err)
        return broken(path, err);
    *out = new AppendFile(this, path, fd, IsLog(path));
    return Status::OK();
}

bool FolderEnv::FileExists(const std::string &path)
{
    return access(path.c_str(), F_OK) == 0;
}

Status FolderEnv::GetChildren(const std::string &folder, std::vector<std::string> *out)
{
    DIR *dir = opendir(folder.c_str());
    struct dirent *entry;
    int err;

    out->clear();
    if (!dir)
        return failed(folder, errno);
    for (errno = 0; (entry = readdir(dir)); errno = 0)
        out->emplace_back(entry->d_name);
    err = errno;
    closedir(dir);
    return err ? failed(folder, err) : Status::OK();
}

Status FolderEnv::RemoveFile(const std::string &path)
{
    int err = before(LDB_REMOVE, path);

    if (err || unlink(path.c_str()) < 0)
        return failed(path, err ? err : errno);
    return Status::OK();
}

Status FolderEnv::CreateDir(const std::string &folder)
{
    int err = before(LDB_FOLDER_MAKE, folder);

    if (err || mkdir(folder.c_str(), 0700) < 0)
        return err || errno != EEXIST ? failed(folder, err ? err : errno)
                                      : Status::IOError(folder, "exists");
    return SyncFolder(FolderOf(folder));
}

Status FolderEnv::RemoveDir(const std::string &folder)
{
    return rmdir(folder.c_str()) < 0 ? failed(folder, errno) : Status::OK();
}

Status FolderEnv::GetFileSize(const std::string &path, uint64_t *out_bytes)
{
    struct stat st;

    *out_bytes = 0;
    if (stat(path.c_str(), &st) < 0)
        return failed(path, errno);
    *out_bytes = (uint64_t)st.st_size;
    return Status::OK();
}

Status FolderEnv::RenameFile(const std::string &from, const std::string &to)
{
    int err;

    do {
        err = before(LDB_RENAME, from, to);
        err = err == 0 && rename(from.c_str(), to.c_str()) < 0 ? errno : err;
    } while (err && again(err));
    if (err)
        return broken(from, err);
    return SyncFolder(FolderOf(to));
}

Status FolderEnv::LockFile(const std::string &path, leveldb::FileLock **out)
{
    int fd = OpenRetry(path, O_RDWR | O_CREAT);

    *out = nullptr;
    if (fd < 0)
        return failed(path, errno);
    if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
        int err = errno;

        busy_.store(err == EWOULDBLOCK);
        close(fd);
        return failed(path, err);
    }
    *out = new HeldLock(fd);
    return Status::OK();
}

Status FolderEnv::UnlockFile(leveldb::FileLock *lock)
{
    delete lock;
    return Status::OK();
}

void FolderEnv::Run()
{
    std::unique_lock<std::mutex> held(mutex_);

    for (;;) {
        more_.wait(held, [this] { return stopping_ || !jobs_.empty(); });
        if (jobs_.empty())
            return;
        Job job = jobs_.front();

        jobs_.pop_front();
        held.unlock();
        job.function(job.arg);
        held.lock();
    }
}

void FolderEnv::Schedule(void (*function)(void *), void *arg)
{
    std::lock_guard<std::mutex> held(mutex_);

    jobs_.push_back(Job{function, arg});
    if (!thread_.joinable()) {
        sigset_t all, old;

        sigfillset(&all); /* signals are for the main thread */
        pthread_sigmask(SIG_SETMASK, &all, &old);
        thread_ = std::thread(&FolderEnv::Run, this);
        pthread_sigmask(SIG_SETMASK, &old, nullptr);
    }
    more_.notify_one();
}

void FolderEnv::StartThread(void (*function)(void *), void *arg)
{
    std::thread(function, arg).detach();
}

Status FolderEnv::GetTestDirectory(std::string *)
{
    return Status::NotSupported("no test folder");
}

Status FolderEnv::NewLogger(const std::string &, leveldb::Logger **out)
{
    *out = new SilentLogger;
    return Status::OK();
}

uint64_t FolderEnv::NowMicros()
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

void FolderEnv::SleepForMicroseconds(int micros)
{
    usleep((useconds_t)micros);
}

} // namespace cairn
