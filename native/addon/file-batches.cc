#include "addon/file-batches.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <string>
#include <vector>

#include "addon/byte-arguments.h"
#include "addon/file-io.h"

namespace swarm {

namespace {

#ifdef __APPLE__
const timespec& changeTime(const struct stat& status) { return status.st_ctimespec; }
const timespec& modificationTime(const struct stat& status) { return status.st_mtimespec; }
#else
const timespec& changeTime(const struct stat& status) { return status.st_ctim; }
const timespec& modificationTime(const struct stat& status) { return status.st_mtim; }
#endif

bool isTime(const timespec& time, const double* secondsAndNanos) {
  return time.tv_sec == static_cast<time_t>(secondsAndNanos[0]) && time.tv_nsec == static_cast<long>(secondsAndNanos[1]);
}

/** For futimens and utimensat: the modification time alone. */
struct Times {
  timespec each[2] = {};
  explicit Times(const double* secondsAndNanos) {
    each[0].tv_nsec = UTIME_OMIT;
    each[1].tv_sec = static_cast<time_t>(secondsAndNanos[0]);
    each[1].tv_nsec = static_cast<long>(secondsAndNanos[1]);
  }
};

/** Closes a descriptor at the end of a block. */
class Descriptor {
 public:
  explicit Descriptor(int number) : number_(number) {}
  ~Descriptor() {
    if (number_ >= 0) close(number_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  operator int() const { return number_; }

 private:
  const int number_;
};

int errorOf(const IoResult& result) {
  if (result.status == Status::ok) return 0;
  // A file that ends early is not the one that was listed.
  return result.status == Status::shortRead ? ESTALE : result.error;
}

/** Rows of work on Node's thread pool. */
class BatchWorker : public Napi::AsyncWorker {
 public:
  BatchWorker(const Napi::CallbackInfo& info, size_t fields, size_t pathsPerRow)
      : Napi::AsyncWorker(info.Env()), deferred_(Napi::Promise::Deferred::New(info.Env())), fields_(fields) {
    Bytes paths;
    if (!takeBytes(info[0], paths) || !info[1].IsTypedArray() ||
        info[1].As<Napi::TypedArray>().TypedArrayType() != napi_float64_array)
      return;
    text_.assign(reinterpret_cast<const char*>(paths.data), paths.size);
    const auto rows = info[1].As<Napi::Float64Array>();
    numbers_.assign(rows.Data(), rows.Data() + rows.ElementLength());
    for (size_t start = 0; start < text_.size(); start = text_.find('\0', start) + 1) {
      if (text_.find('\0', start) == std::string::npos) return;
      paths_.push_back(start);
    }
    isGood_ = numbers_.size() % fields_ == 0 && paths_.size() == rowCount() * pathsPerRow;
  }

  bool isGood() const { return isGood_; }
  Napi::Promise promise() const { return deferred_.Promise(); }

  void Execute() override {
    for (size_t row = 0; row < rowCount(); row++) {
      error_ = perform(row, numbersOf(row));
      if (error_ == 0) continue;
      failed_ = static_cast<double>(row);
      return;
    }
  }

  void OnOK() override {
    Napi::Array result = Napi::Array::New(Env(), 2);
    result.Set(0u, failed_);
    result.Set(1u, static_cast<double>(error_));
    deferred_.Resolve(result);
  }

 protected:
  /** errno, 0 for success. */
  virtual int perform(size_t row, const double* numbers) = 0;

  size_t rowCount() const { return numbers_.size() / fields_; }
  const double* numbersOf(size_t row) const { return numbers_.data() + row * fields_; }
  const char* path(size_t index) const { return text_.data() + paths_[index]; }
  void fail() { isGood_ = false; }

 private:
  Napi::Promise::Deferred deferred_;
  const size_t fields_;
  std::string text_;
  std::vector<size_t> paths_;
  std::vector<double> numbers_;
  bool isGood_ = false;
  double failed_ = -1;
  int error_ = 0;
};

/** A part of a buffer that lies in it, as two numbers say. */
bool lies(double offset, double length, size_t size) {
  return offset >= 0 && length >= 0 && offset + length <= static_cast<double>(size);
}

class Reading : public BatchWorker {
 public:
  explicit Reading(const Napi::CallbackInfo& info) : BatchWorker(info, 7, 1) {
    if (isGood() && (!takeBytes(info[2], raw_) || !fits())) fail();
    if (isGood()) held_ = Napi::Persistent(info[2].As<Napi::Object>());
  }

 protected:
  int perform(size_t row, const double* numbers) override {
    const Descriptor file(open(path(row), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
    if (file < 0) return errno;
    const int before = check(file, numbers);
    if (before != 0) return before;
    const auto length = static_cast<size_t>(numbers[1]);
    const int error = errorOf(readFully(file, {raw_.data + done_, length}, static_cast<uint64_t>(numbers[0])));
    if (error != 0) return error;
    done_ += length;
    return check(file, numbers);
  }

 private:
  bool fits() const {
    double total = 0;
    for (size_t row = 0; row < rowCount(); row++) {
      if (!(numbersOf(row)[0] >= 0) || !lies(total, numbersOf(row)[1], raw_.size)) return false;
      total += numbersOf(row)[1];
    }
    return true;
  }

  static int check(int file, const double* numbers) {
    if (numbers[2] < 0) return 0;
    struct stat status;
    if (fstat(file, &status) != 0) return errno;
    const bool isSame = S_ISREG(status.st_mode) && status.st_size == static_cast<off_t>(numbers[2]) &&
                        isTime(changeTime(status), numbers + 3) && isTime(modificationTime(status), numbers + 5);
    return isSame ? 0 : ESTALE;
  }

  Bytes raw_;
  Napi::ObjectReference held_;
  size_t done_ = 0;
};

class Writing : public BatchWorker {
 public:
  explicit Writing(const Napi::CallbackInfo& info) : BatchWorker(info, 3, 1) {
    if (isGood() && (!takeBytes(info[2], raw_) || !fits())) fail();
    if (isGood()) held_ = Napi::Persistent(info[2].As<Napi::Object>());
  }

 protected:
  int perform(size_t row, const double* numbers) override {
    constexpr int flags = O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC;
    constexpr mode_t ownMode = 0600;
    int opened = open(path(row), flags, ownMode);
    // A crash after the file got its final mode and before it got its final name leaves it read-only.
    if (opened < 0 && errno == EACCES && chmod(path(row), ownMode) == 0) opened = open(path(row), flags, ownMode);
    const Descriptor file(opened);
    if (file < 0) return errno;
    const ByteSpan bytes = {raw_.data + static_cast<size_t>(numbers[1]), static_cast<size_t>(numbers[2])};
    return errorOf(writeFully(file, bytes, static_cast<uint64_t>(numbers[0])));
  }

 private:
  bool fits() const {
    for (size_t row = 0; row < rowCount(); row++)
      if (!(numbersOf(row)[0] >= 0) || !lies(numbersOf(row)[1], numbersOf(row)[2], raw_.size)) return false;
    return true;
  }

  Bytes raw_;
  Napi::ObjectReference held_;
};

class Moving : public BatchWorker {
 public:
  explicit Moving(const Napi::CallbackInfo& info) : BatchWorker(info, 3, 2) {}

 protected:
  int perform(size_t row, const double* numbers) override {
    const char* const from = path(2 * row);
    if (chmod(from, static_cast<mode_t>(numbers[0])) != 0) return errno;
    if (utimensat(AT_FDCWD, from, Times(numbers + 1).each, AT_SYMLINK_NOFOLLOW) != 0) return errno;
    return rename(from, path(2 * row + 1)) == 0 ? 0 : errno;
  }
};

class Listing : public Napi::AsyncWorker {
 public:
  Listing(Napi::Env env, std::string path)
      : Napi::AsyncWorker(env), deferred_(Napi::Promise::Deferred::New(env)), path_(std::move(path)) {}

  Napi::Promise promise() const { return deferred_.Promise(); }

  void Execute() override {
    DIR* const folder = opendir(path_.c_str());
    if (folder == nullptr) {
      error_ = errno;
      return;
    }
    for (;;) {
      errno = 0;
      const dirent* const entry = readdir(folder);
      if (entry == nullptr) error_ = errno;
      if (entry == nullptr || !note(dirfd(folder), entry->d_name)) break;
    }
    closedir(folder);
    // By the bytes of the names, as strings compare: the same order everywhere, and runs that a later sort finds.
    std::sort(entries_.begin(), entries_.end(), [](const Entry& a, const Entry& b) { return a.name < b.name; });
  }

  void OnOK() override {
    std::string text;
    for (const Entry& entry : entries_) text.append(entry.name.c_str(), entry.name.size() + 1);
    Napi::Array result = Napi::Array::New(Env(), 3);
    result.Set(0u, static_cast<double>(error_));
    result.Set(1u, Napi::Buffer<char>::Copy(Env(), text.data(), text.size()));
    auto numbers = Napi::Float64Array::New(Env(), entries_.size() * numbersPerEntry);
    if (numbers.IsEmpty() || (numbers.Data() == nullptr && !entries_.empty())) return;
    double* target = numbers.Data();
    for (const Entry& entry : entries_) target = std::copy(entry.numbers.begin(), entry.numbers.end(), target);
    result.Set(2u, numbers);
    deferred_.Resolve(result);
  }

 private:
  static constexpr size_t numbersPerEntry = 6;

  struct Entry {
    std::string name;
    std::array<double, numbersPerEntry> numbers;
  };

  /** False: the entry cannot be looked at. */
  bool note(int folder, const char* name) {
    if (std::strcmp(name, ".") == 0 || std::strcmp(name, "..") == 0) return true;
    struct stat status;
    if (fstatat(folder, name, &status, AT_SYMLINK_NOFOLLOW) != 0) {
      error_ = errno == ENOENT ? 0 : errno;
      return error_ == 0;
    }
    entries_.push_back(
        {name,
         {static_cast<double>(status.st_mode), static_cast<double>(status.st_size),
          static_cast<double>(modificationTime(status).tv_sec), static_cast<double>(modificationTime(status).tv_nsec),
          static_cast<double>(changeTime(status).tv_sec), static_cast<double>(changeTime(status).tv_nsec)}});
    return true;
  }

  Napi::Promise::Deferred deferred_;
  const std::string path_;
  std::vector<Entry> entries_;
  int error_ = 0;
};

template <class Worker>
Napi::Value queue(const Napi::CallbackInfo& info) {
  auto* const worker = new Worker(info);
  if (!worker->isGood()) {
    delete worker;
    Napi::TypeError::New(info.Env(), "expected paths, rows of numbers that fit them, and bytes").ThrowAsJavaScriptException();
    return {};
  }
  const Napi::Promise promise = worker->promise();
  worker->Queue();
  return promise;
}

}  // namespace

Napi::Value readFiles(const Napi::CallbackInfo& info) { return queue<Reading>(info); }
Napi::Value writeFiles(const Napi::CallbackInfo& info) { return queue<Writing>(info); }
Napi::Value moveFiles(const Napi::CallbackInfo& info) { return queue<Moving>(info); }

Napi::Value listFolder(const Napi::CallbackInfo& info) {
  Bytes path;
  if (!takeBytes(info[0], path)) {
    Napi::TypeError::New(info.Env(), "expected a path").ThrowAsJavaScriptException();
    return {};
  }
  auto* const worker = new Listing(info.Env(), std::string(reinterpret_cast<const char*>(path.data), path.size));
  const Napi::Promise promise = worker->promise();
  worker->Queue();
  return promise;
}

}  // namespace swarm
