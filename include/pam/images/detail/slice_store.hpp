// SPDX-License-Identifier: MIT
/// Prepared slices, kept in memory up to a budget and beyond it in one unnamed temporary file, so that every file is
/// decoded once however large the data set is.
#pragma once

#include <pam/core/error.hpp>
#include <pam/data/sample.hpp>

#include <cerrno>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include <fcntl.h>
#include <unistd.h>

namespace pam {

/// Slices by number. Images are kept as float32, or as bytes where they came from 8-bit pictures; labels as int16.
/// `get` may be called from several threads; `add` from one, before that.
class SliceStore {
 public:
  /// `memory_bytes` of slices stay in memory; the rest goes to a temporary file in `spill_folder` that has no name, so
  /// that the system removes it when the process ends. Empty: the system's temporary folder, checked when it is needed.
  SliceStore(std::int64_t memory_bytes, std::filesystem::path spill_folder)
      : budget_(memory_bytes), spill_folder_(std::move(spill_folder)) {}
  SliceStore(const SliceStore&) = delete;
  SliceStore& operator=(const SliceStore&) = delete;
  ~SliceStore() {
    if (descriptor_ >= 0) ::close(descriptor_);
  }

  /// Adds an image (C, H, W) float32 and its labels (H, W) int16 (undefined: none). `eight_bit`: image · 255 are whole
  /// numbers. Throws `Error` where the spill file cannot be written.
  void add(const torch::Tensor& image, const torch::Tensor& labels, bool eight_bit) {
    Entry entry;
    entry.channels = image.size(0), entry.height = image.size(1), entry.width = image.size(2);
    entry.eight_bit = eight_bit;
    entry.has_labels = labels.defined();
    const auto size = entry.bytes();
    auto bytes = std::make_unique<char[]>(static_cast<std::size_t>(size));
    encode(entry, image.contiguous(), labels, bytes.get());
    if (memory_bytes_ + size <= budget_) {
      entry.memory = std::move(bytes);
      memory_bytes_ += size;
    } else {
      entry.position = spilled_bytes_;
      spill(bytes.get(), size);
    }
    entries_.push_back(std::move(entry));
  }

  [[nodiscard]] std::int64_t size() const { return static_cast<std::int64_t>(entries_.size()); }
  [[nodiscard]] std::int64_t memory_bytes() const { return memory_bytes_; }
  [[nodiscard]] std::int64_t spilled_bytes() const { return spilled_bytes_; }

  /// The image and labels of slice `index`, in new tensors; the caller fills in the rest of the sample.
  [[nodiscard]] Sample get(std::int64_t index) const {
    const auto& entry = entries_.at(static_cast<std::size_t>(index));
    Sample sample;
    sample.image = torch::empty({entry.channels, entry.height, entry.width}, torch::kFloat);
    if (entry.has_labels) sample.labels = torch::empty({entry.height, entry.width}, torch::kLong);
    if (entry.memory) {
      decode(entry, entry.memory.get(), sample);
      return sample;
    }
    std::vector<char> bytes(static_cast<std::size_t>(entry.bytes()));
    fetch(bytes, entry.position);
    decode(entry, bytes.data(), sample);
    return sample;
  }

 private:
  struct Entry {
    std::int64_t channels = 0, height = 0, width = 0, position = 0;
    bool eight_bit = false, has_labels = false;
    std::unique_ptr<char[]> memory;
    [[nodiscard]] std::int64_t pixels() const { return height * width; }
    [[nodiscard]] std::int64_t image_bytes() const { return channels * pixels() * (eight_bit ? 1 : 4); }
    [[nodiscard]] std::int64_t bytes() const { return image_bytes() + (has_labels ? 2 * pixels() : 0); }
  };

  static void encode(const Entry& entry, const torch::Tensor& image, const torch::Tensor& labels, char* bytes) {
    const auto* values = image.data_ptr<float>();
    if (entry.eight_bit) {
      for (std::int64_t i = 0; i < image.numel(); ++i) {
        bytes[i] = static_cast<char>(static_cast<unsigned char>(std::lround(values[i] * 255)));
      }
    } else {
      std::memcpy(bytes, values, static_cast<std::size_t>(entry.image_bytes()));
    }
    if (!entry.has_labels) return;
    std::memcpy(bytes + entry.image_bytes(), labels.contiguous().data_ptr<std::int16_t>(),
                2 * static_cast<std::size_t>(entry.pixels()));
  }

  static void decode(const Entry& entry, const char* bytes, Sample& sample) {
    auto* values = sample.image.data_ptr<float>();
    if (entry.eight_bit) {
      const auto* levels = reinterpret_cast<const unsigned char*>(bytes);
      for (std::int64_t i = 0; i < entry.channels * entry.pixels(); ++i)
        values[i] = static_cast<float>(levels[i]) / 255.0F;
    } else {
      std::memcpy(values, bytes, static_cast<std::size_t>(entry.image_bytes()));
    }
    if (!entry.has_labels) return;
    auto* classes = sample.labels.data_ptr<std::int64_t>();
    for (std::int64_t i = 0; i < entry.pixels(); ++i) {
      std::int16_t narrow = 0;
      std::memcpy(&narrow, bytes + entry.image_bytes() + 2 * i, 2);
      classes[i] = narrow;
    }
  }

  [[noreturn]] void fail_spilling(int error) const {
    fail(
        "{}: the prepared slices beyond the memory budget of {} MiB cannot be kept here: {}; free some space, name "
        "another folder, or allow more memory",
        spill_folder_.string(), budget_ >> 20, std::strerror(error));
  }

  void open_spill() {
    if (spill_folder_.empty()) {
      std::error_code error;
      spill_folder_ = std::filesystem::temp_directory_path(error);
      const char* named = std::getenv("TMPDIR");
      check(!error,
            "{}: the temporary folder{} cannot be used: {}; the prepared slices beyond the memory budget of {} MiB go "
            "there: make it, or set TMPDIR to one that exists",
            named != nullptr ? named : "/tmp", named != nullptr ? " (TMPDIR)" : "", error.message(), budget_ >> 20);
    }
    auto name = (spill_folder_ / "pam-slices-XXXXXX").string();
    descriptor_ = ::mkostemp(name.data(), O_CLOEXEC);
    if (descriptor_ < 0) fail_spilling(errno);
    ::unlink(name.c_str());
  }

  void spill(const char* bytes, std::int64_t size) {
    if (descriptor_ < 0) open_spill();
    for (std::int64_t done = 0; done < size;) {
      const auto written =
          ::pwrite(descriptor_, bytes + done, static_cast<std::size_t>(size - done), spilled_bytes_ + done);
      if (written < 0 && errno == EINTR) continue;
      if (written <= 0) fail_spilling(written < 0 ? errno : ENOSPC);
      done += written;
    }
    spilled_bytes_ += size;
  }

  void fetch(std::vector<char>& bytes, std::int64_t position) const {
    const auto size = static_cast<std::int64_t>(bytes.size());
    for (std::int64_t done = 0; done < size;) {
      const auto got =
          ::pread(descriptor_, bytes.data() + done, static_cast<std::size_t>(size - done), position + done);
      if (got < 0 && errno == EINTR) continue;
      check(got > 0, "{}: prepared slices cannot be read back: {}", spill_folder_.string(),
            std::strerror(got < 0 ? errno : EIO));
      done += got;
    }
  }

  std::int64_t budget_, memory_bytes_ = 0, spilled_bytes_ = 0;
  std::filesystem::path spill_folder_;
  int descriptor_ = -1;
  std::vector<Entry> entries_;
};

}  // namespace pam
