// SPDX-License-Identifier: MIT
/// Scalars as TensorBoard event files, so that users' own dashboards work. No protobuf: an Event with one scalar is a
/// few bytes. Format: TFRecord framing (length, masked CRC32C of it, data, masked CRC32C of the data) around
/// tensorflow.Event messages, https://github.com/tensorflow/tensorflow/blob/master/tensorflow/core/util/event.proto.
#pragma once

#include <pam/core/error.hpp>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>

#include <unistd.h>

namespace pam {

/// CRC32C (Castagnoli) of `data`, as TFRecord files use it.
inline std::uint32_t crc32c(const std::string& data) {
  static const auto table = [] {
    std::array<std::uint32_t, 256> entries{};
    for (std::uint32_t i = 0; i < 256; ++i) {
      auto value = i;
      for (int bit = 0; bit < 8; ++bit) value = (value >> 1) ^ ((value & 1) ? 0x82f63b78u : 0u);
      entries[i] = value;
    }
    return entries;
  }();
  std::uint32_t crc = ~0u;
  for (const char c : data) crc = (crc >> 8) ^ table[(crc ^ static_cast<unsigned char>(c)) & 0xff];
  return ~crc;
}

namespace detail {

/// TFRecord stores CRCs masked, so that a CRC of data that contains CRCs remains useful.
inline std::uint32_t masked_crc32c(const std::string& data) {
  const auto crc = crc32c(data);
  return ((crc >> 15) | (crc << 17)) + 0xa282ead8u;
}

template <typename T>
void append_little_endian(std::string& bytes, T value) {
  char raw[sizeof value];
  std::memcpy(raw, &value, sizeof value);  // x86 and ARM are little-endian, as the format is
  bytes.append(raw, sizeof value);
}

inline void append_varint(std::string& bytes, std::uint64_t value) {
  for (; value >= 0x80; value >>= 7) bytes.push_back(static_cast<char>(value | 0x80));
  bytes.push_back(static_cast<char>(value));
}

/// A protobuf field that holds bytes: tag, length, content.
inline void append_bytes_field(std::string& bytes, int field, const std::string& content) {
  append_varint(bytes, static_cast<std::uint64_t>(field) << 3 | 2);
  append_varint(bytes, content.size());
  bytes += content;
}

}  // namespace detail

/// One event file, `events.out.tfevents.<seconds>.pam.<process>` in `directory`, which is created. A resumed run opens
/// a new file beside the old one, as TensorBoard expects; for a step that is in both, it shows the later one. Throws
/// `Error` if the file cannot be created or written.
class EventFile {
 public:
  explicit EventFile(const std::filesystem::path& directory) {
    std::error_code error;
    std::filesystem::create_directories(directory, error);
    path_ = directory / formatted("events.out.tfevents.{:010}.pam.{}", static_cast<std::int64_t>(now()), ::getpid());
    stream_.open(path_, std::ios::binary | std::ios::app);
    check(stream_.good(), "{}: the event file cannot be made ({}); choose a directory that can be written",
          path_.string(), std::strerror(errno));
    std::string event;
    append_time(event, now());
    detail::append_bytes_field(event, 3, "brain.Event:2");  // file_version
    write(event);
  }

  /// Adds the point (step, value) to the curve `tag`, e.g. "train/loss". NaN is written as NaN.
  void scalar(const std::string& tag, double value, std::int64_t step) {
    std::string item;
    detail::append_bytes_field(item, 1, tag);
    item.push_back(2 << 3 | 5);  // simple_value, 32 bits
    detail::append_little_endian(item, static_cast<float>(value));
    std::string summary;
    detail::append_bytes_field(summary, 1, item);
    std::string event;
    append_time(event, now());
    event.push_back(2 << 3 | 0);  // step
    detail::append_varint(event, static_cast<std::uint64_t>(step));
    detail::append_bytes_field(event, 5, summary);
    write(event);
  }

  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  static double now() {
    return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
  }
  static void append_time(std::string& event, double seconds) {
    event.push_back(1 << 3 | 1);  // wall_time, 64 bits
    detail::append_little_endian(event, seconds);
  }
  void write(const std::string& event) {
    std::string record;
    detail::append_little_endian(record, std::uint64_t{event.size()});
    detail::append_little_endian(record, detail::masked_crc32c(record));
    record += event;
    detail::append_little_endian(record, detail::masked_crc32c(event));
    stream_.write(record.data(), static_cast<std::streamsize>(record.size()));
    stream_.flush();
    check(stream_.good(), "{}: the event file cannot be written ({}); is the disk full?", path_.string(),
          std::strerror(errno));
  }

  std::filesystem::path path_;
  std::ofstream stream_;
};

}  // namespace pam
