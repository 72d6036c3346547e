// SPDX-License-Identifier: MIT
/// `FileBytes`: the bytes of a file, mapped into memory. Tensors made from them keep the mapping alive; writing to such
/// a tensor changes the process's private copy of the page, never the file.
#pragma once

#include <pam/core/error.hpp>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

namespace pam {

/// `size()` bytes at `data()`, which live as long as this object. `name()` is what messages call them.
class FileBytes {
 public:
  /// Maps `path`, privately (copy on write). Nothing is read before it is touched. The file must not be truncated while
  /// the mapping lives; pam replaces files by renaming, which does not affect the mapping.
  /// Throws `Error` where `path` does not exist, is not a regular file, or may not be read.
  [[nodiscard]] static std::shared_ptr<FileBytes> map(const std::filesystem::path& path) {
    auto bytes = std::shared_ptr<FileBytes>(new FileBytes(path.string()));
    // O_NONBLOCK: opening a pipe must not wait for a writer.
    const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    check(descriptor >= 0, "{}: cannot be opened: {}", bytes->name_, std::strerror(errno));
    struct stat status {};
    const bool regular = ::fstat(descriptor, &status) == 0 && S_ISREG(status.st_mode);
    if (regular && status.st_size > 0) {
      bytes->mapped_ = static_cast<std::size_t>(status.st_size);
      void* address = ::mmap(nullptr, bytes->mapped_, PROT_READ | PROT_WRITE, MAP_PRIVATE, descriptor, 0);
      const int error = errno;
      ::close(descriptor);
      if (address == MAP_FAILED) bytes->mapped_ = 0;
      check(address != MAP_FAILED, "{}: cannot be mapped into memory: {}", bytes->name_, std::strerror(error));
      bytes->data_ = static_cast<std::uint8_t*>(address);
      bytes->size_ = bytes->mapped_;
    } else {
      ::close(descriptor);
      check(regular, "{}: is a folder or device, not a file", bytes->name_);
    }
    return bytes;
  }

  /// Bytes that are in memory already (tests and fuzzing).
  [[nodiscard]] static std::shared_ptr<FileBytes> own(std::vector<std::uint8_t> content, std::string name) {
    auto bytes = std::shared_ptr<FileBytes>(new FileBytes(std::move(name)));
    bytes->owned_ = std::move(content);
    bytes->data_ = bytes->owned_.data();
    bytes->size_ = bytes->owned_.size();
    return bytes;
  }

  FileBytes(const FileBytes&) = delete;
  FileBytes& operator=(const FileBytes&) = delete;
  ~FileBytes() {
    if (mapped_ > 0) ::munmap(data_, mapped_);
  }

  [[nodiscard]] std::uint8_t* data() const { return data_; }
  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] const std::string& name() const { return name_; }

 private:
  explicit FileBytes(std::string name) : name_(std::move(name)) {}

  std::string name_;
  std::vector<std::uint8_t> owned_;
  std::uint8_t* data_ = nullptr;
  std::size_t size_ = 0, mapped_ = 0;
};

}  // namespace pam
