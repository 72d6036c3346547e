// SPDX-License-Identifier: MIT
/// `write_atomically`: afterwards a file is either the complete old one or the complete new one, even after a full
/// disk, an exception, a crash or a power cut. pam writes every file through this function.
#pragma once

#include <pam/core/error.hpp>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <functional>
#include <ostream>
#include <streambuf>
#include <string>
#include <string_view>
#include <vector>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace pam {
namespace detail {

/// A stream buffer on a file descriptor that remembers the errno of its first failed write (`std::ofstream` forgets
/// it).
class DescriptorBuffer final : public std::streambuf {
 public:
  explicit DescriptorBuffer(int descriptor) : descriptor_(descriptor), buffer_(1 << 16) { reset(); }
  /// 0, or the errno of the first write that failed.
  [[nodiscard]] int error() const { return error_; }

 protected:
  int_type overflow(int_type character) override {
    if (sync() != 0) return traits_type::eof();
    if (!traits_type::eq_int_type(character, traits_type::eof())) sputc(traits_type::to_char_type(character));
    return traits_type::not_eof(character);
  }
  int sync() override {
    const bool written = write_all(pbase(), pptr() - pbase());
    reset();
    return written ? 0 : -1;
  }
  std::streamsize xsputn(const char* data, std::streamsize size) override {
    if (size == 0) return 0;  // `data` may be null then (an empty tensor), which memcpy must not see
    if (size <= epptr() - pptr()) {
      std::memcpy(pptr(), data, static_cast<std::size_t>(size));
      pbump(static_cast<int>(size));
      return size;
    }
    return sync() == 0 && write_all(data, size) ? size : 0;
  }

 private:
  void reset() { setp(buffer_.data(), buffer_.data() + buffer_.size()); }
  bool write_all(const char* data, std::streamsize size) {
    while (size > 0 && error_ == 0) {
      const auto written = ::write(descriptor_, data, static_cast<std::size_t>(size));
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) {
        error_ = errno;
      } else {
        data += written;
        size -= written;
      }
    }
    return error_ == 0;
  }

  int descriptor_;
  int error_ = 0;
  std::vector<char> buffer_;
};

/// The temporary file beside the target: closed and removed at the end of the scope unless it was renamed.
class TemporaryFile {
 public:
  TemporaryFile(const std::filesystem::path& target, mode_t mode) {
    static std::atomic<unsigned> counter{0};
    for (int attempt = 0; attempt < 100 && descriptor_ < 0; ++attempt) {
      path_ = target;
      path_ += formatted(".{}-{}.tmp", static_cast<long>(getpid()), counter++);
      descriptor_ = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
      if (descriptor_ < 0 && errno != EEXIST) break;
    }
    created_ = descriptor_ >= 0;
  }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
  ~TemporaryFile() {
    close();
    if (created_) ::unlink(path_.c_str());
  }
  [[nodiscard]] int descriptor() const { return descriptor_; }
  /// False (errno set) where closing failed.
  bool close() {
    if (descriptor_ < 0) return true;
    const int closed = ::close(descriptor_);
    descriptor_ = -1;
    return closed == 0;
  }
  /// Gives the file its final name; false (errno set) where that failed.
  bool rename_to(const std::filesystem::path& target) {
    if (std::rename(path_.c_str(), target.c_str()) != 0) return false;
    created_ = false;
    return true;
  }

 private:
  std::filesystem::path path_;
  int descriptor_ = -1;
  bool created_ = false;
};

[[noreturn]] void fail_writing(const std::filesystem::path& path, const char* step, int error);

/// Makes the rename durable: a power cut after `write_atomically` has returned must not undo it.
void sync_folder(const std::filesystem::path& folder);

/// The process that made a temporary file of `target`, from its name (NAME.PID-N.tmp); 0 for any other file.
pid_t writer_of(const std::string& name, const std::string& target);

}  // namespace detail

/// Removes the temporary files of `path` whose process was killed before it could rename or remove them.
void remove_abandoned(const std::filesystem::path& path);

/// Writes `path` through `write`, which gets a binary stream: a temporary file in the same folder (`NAME.PID-N.tmp`) is
/// filled, synced, renamed over `path`, and the folder is synced. A symbolic link stays a link; its target is replaced. An existing file keeps its permissions. Throws `Error` with path and system message (full disk, no
/// permission, no such folder, not a regular file), or whatever `write` throws; the temporary file is then removed and
/// the old file is untouched. Example: `write_atomically("report.csv", [&](std::ostream& out) { out << table; });`
void write_atomically(const std::filesystem::path& path, const std::function<void(std::ostream&)>& write);

/// Writes `content` as the whole of `path`, as above.
inline void write_atomically(const std::filesystem::path& path, std::string_view content) {
  write_atomically(path, [&](std::ostream& out) { out << content; });
}

}  // namespace pam

#ifndef PAM_COMPILED
#include <pam/core/atomic_file-inl.hpp>
#endif
