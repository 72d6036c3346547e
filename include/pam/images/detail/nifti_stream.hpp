// SPDX-License-Identifier: MIT
/// Internals of images/nifti.hpp: reads and writes the bytes of a .nii or .nii.gz. Reading never allocates more than
/// twice what the stream has proved to hold, or the file's size plus 64 MiB, whatever the header says.
#pragma once

#include <pam/core/error.hpp>

#include <zlib.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <memory>
#include <ostream>
#include <string>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace pam::detail {

/// A growable block of bytes that becomes a tensor's storage (`malloc`, so that growing need not copy).
struct ByteBlock {
  std::unique_ptr<void, decltype(&std::free)> data{nullptr, std::free};
  std::int64_t size = 0;

  void resize(const std::string& file, std::int64_t bytes) {
    void* grown = std::realloc(data.get(), static_cast<std::size_t>(std::max<std::int64_t>(bytes, 1)));
    check(grown != nullptr, "{}: there is no memory for its {} bytes of voxels", file, bytes);
    static_cast<void>(data.release());
    data.reset(grown);
    size = bytes;
  }
  [[nodiscard]] char* bytes() const { return static_cast<char*>(data.get()); }
};

/// A file read front to back through zlib, which passes plain files through.
class NiftiInput {
 public:
  explicit NiftiInput(const std::filesystem::path& path) : file_(path.string()) {
    const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    check(descriptor >= 0, "{}: cannot be opened: {}", file_, std::strerror(errno));
    struct stat info {};
    if (::fstat(descriptor, &info) != 0 || !S_ISREG(info.st_mode)) {
      ::close(descriptor);
      fail("{}: is a folder or device, not a NIfTI file", file_);
    }
    file_size_ = info.st_size;
    stream_.reset(gzdopen(descriptor, "rb"));
    if (stream_ == nullptr) {
      ::close(descriptor);
      fail("{}: cannot be opened: no memory for zlib", file_);
    }
    gzbuffer(stream_.get(), 1 << 17);
  }

  /// Reads `size` bytes or throws, naming `what`.
  void read(void* target, std::int64_t size, const char* what) {
    const auto got = read_some(target, size);
    check(got == size, "{}: ends after {} of {} bytes of its {}; {}", file_, got, size, what,
          compressed() ? "the gzip stream is cut short: fetch or write the file again"
                       : "the file is cut short: fetch or write it again");
  }

  /// Skips `size` bytes.
  void skip(std::int64_t size, const char* what) {
    std::array<char, 1 << 14> scratch{};
    for (std::int64_t done = 0; done < size;) {
      const auto step = std::min<std::int64_t>(size - done, scratch.size());
      read(scratch.data(), step, what);
      done += step;
    }
  }

  /// `size` bytes of voxels, where `read_before` bytes of the stream are read already.
  ByteBlock voxels(std::int64_t size, std::int64_t read_before) {
    constexpr std::int64_t kSlack = std::int64_t{64} << 20;
    constexpr std::int64_t kDeflateRatio = 1032;  // no deflate stream grows by more (zlib's technical notes)
    const auto held = compressed() ? file_size_ * kDeflateRatio : file_size_;
    check(read_before + size <= held, "{}: the header promises {} bytes of voxels, more than this file of {} bytes {}",
          file_, size, file_size_,
          compressed() ? "can hold; it is damaged: fetch or write it again"
                       : "holds; it is cut short or its header is damaged: fetch or write it again");
    ByteBlock block;
    std::int64_t filled = 0;
    while (filled < size) {
      block.resize(file_, std::min(size, filled == 0 ? file_size_ + kSlack : 2 * filled));
      read(block.bytes() + filled, block.size - filled, "voxels");
      filled = block.size;
    }
    return block;
  }

  /// Reads on to the end (at most 64 MiB), so that zlib compares the checksum behind the voxels.
  void check_end() {
    std::array<char, 1 << 14> scratch{};
    for (int step = 0; step < 4096; ++step) {
      if (read_some(scratch.data(), scratch.size()) < static_cast<std::int64_t>(scratch.size())) break;
    }
    int code = Z_OK;
    gzerror(stream_.get(), &code);
    check(code != Z_BUF_ERROR, "{}: the gzip stream is cut short: fetch or write the file again", file_);
  }

 private:
  struct Close {
    void operator()(gzFile_s* stream) const { gzclose_r(stream); }
  };

  [[nodiscard]] bool compressed() const { return gzdirect(stream_.get()) == 0; }

  std::int64_t read_some(void* target, std::int64_t size) {
    std::int64_t done = 0;
    while (done < size) {
      const auto step = static_cast<unsigned>(std::min<std::int64_t>(size - done, 1 << 30));
      const int got = gzread(stream_.get(), static_cast<char*>(target) + done, step);
      int code = Z_OK;
      const char* message = gzerror(stream_.get(), &code);
      check(got >= 0 || code == Z_BUF_ERROR, "{}: the gzip stream is damaged ({}): fetch or write the file again",
            file_, code == Z_ERRNO ? std::strerror(errno) : message);
      if (got <= 0) break;
      done += got;
    }
    return done;
  }

  std::string file_;
  std::int64_t file_size_ = 0;
  std::unique_ptr<gzFile_s, Close> stream_;
};

/// Writes bytes to a stream, gzipped or as they are. Without time stamp or name: equal input gives equal files.
class NiftiOutput {
 public:
  /// `level`: 0 = no compression, 1 (fast) … 9 (small) = gzip.
  NiftiOutput(std::ostream& out, int level);

  /// Large data is compressed by blocks, on as many threads as LibTorch uses; the file is the same for any number. Each
  /// block may refer to the 32 KiB before it, so that the size is that of one stream.
  void write(const void* data, std::int64_t size);

  /// Call this once, after the last byte.
  void finish();

 private:
  std::ostream& out_;
  int level_;
  std::uint32_t checksum_ = 0, length_ = 0;  ///< of what was written; the length modulo 2^32, as gzip wants it
};

}  // namespace pam::detail

#ifndef PAM_COMPILED
#include <pam/images/detail/nifti_stream-inl.hpp>
#endif
