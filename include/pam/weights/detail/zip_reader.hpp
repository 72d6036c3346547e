// SPDX-License-Identifier: MIT
/// Reads zip archives of stored (uncompressed) entries, the container of PyTorch's files, and checks every offset, size
/// and checksum. Layout: https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT (4.3, 4.5.3).
/// Why not LibTorch's own reader: it allocates what a damaged header asks for, and reports by c10::Error.
#pragma once

#include <pam/core/error.hpp>
#include <pam/weights/detail/crc32.hpp>
#include <pam/weights/detail/memory_map.hpp>
#include <pam/weights/detail/zip_writer.hpp>
#include <pam/weights/state_dict.hpp>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace pam::detail {

constexpr std::size_t kZipEntryLimit = 200'000;

/// One entry: where it lies and what its bytes must add up to.
struct ZipEntry {
  std::string_view name;
  std::uint64_t local_offset = 0, data_offset = 0, size = 0;
  std::uint32_t crc = 0;
  bool compressed = false;  // such an entry is listed, but its data cannot be read
};

/// A little-endian reader over part of a file that throws instead of leaving it.
class ZipCursor {
 public:
  ZipCursor(const FileBytes& bytes, std::uint64_t position, std::uint64_t end, const char* part)
      : bytes_(bytes), position_(position), end_(end), part_(part) {
    check(position_ <= end_ && end_ <= bytes_.size(), "{}: the zip archive's {} lies outside the file; it is cut short",
          bytes_.name(), part_);
  }
  template <typename Number>
  Number read() {
    Number number{};
    std::memcpy(&number, take(sizeof(Number)), sizeof(Number));
    return number;
  }
  const std::uint8_t* take(std::uint64_t count) {
    check(count <= left(), "{}: the zip archive's {} is cut short; the file is damaged", bytes_.name(), part_);
    const auto* here = bytes_.data() + position_;
    position_ += count;
    return here;
  }
  std::string_view text(std::uint64_t count) { return {reinterpret_cast<const char*>(take(count)), count}; }
  [[nodiscard]] std::uint64_t position() const { return position_; }
  [[nodiscard]] std::uint64_t left() const { return end_ - position_; }

 private:
  const FileBytes& bytes_;
  std::uint64_t position_, end_;
  const char* part_;
};

/// The entries of a zip archive. Throws `Error` unless it is a sound archive of stored entries: no encryption, not in
/// parts, no repeated names, no entries that overlap each other or the directory.
class ZipArchive {
 public:
  explicit ZipArchive(std::shared_ptr<FileBytes> bytes) : bytes_(std::move(bytes)) {
    read_directory();
    check_no_overlap();
  }
  [[nodiscard]] const std::vector<ZipEntry>& entries() const { return entries_; }
  /// The entry called `name`, or nullptr.
  [[nodiscard]] const ZipEntry* find(const std::string& name) const {
    const auto found = by_name_.find(name);
    return found == by_name_.end() ? nullptr : &entries_[found->second];
  }
  /// The bytes of `entry`, checked against its checksum. A checksum of zero means "not computed" (PyTorch's
  /// `torch.serialization.set_crc32_options(False)` writes that).
  [[nodiscard]] std::uint8_t* data(const ZipEntry& entry) const {
    check(!entry.compressed,
          "{}: the zip entry '{}' is compressed, which torch.save never does: unpack the archive and zip it again "
          "without compression, or save it again from Python",
          bytes_->name(), printable(entry.name));
    auto* data = bytes_->data() + entry.data_offset;
    check(entry.crc == 0 || crc32(data, entry.size) == entry.crc,
          "{}: the entry '{}' does not match its checksum; the file is damaged: fetch or write it again",
          bytes_->name(), printable(entry.name));
    return data;
  }
  [[nodiscard]] const std::shared_ptr<FileBytes>& bytes() const { return bytes_; }

 private:
  /// Offset of the "end of central directory" record: the last one whose comment ends where the file does.
  [[nodiscard]] std::uint64_t find_end() const {
    constexpr std::uint64_t kRecord = 22, kLongestComment = 0xFFFF;
    const auto size = bytes_->size();
    for (std::uint64_t back = kRecord; back <= size && back <= kRecord + kLongestComment; ++back) {
      std::uint32_t magic = 0;
      std::uint16_t comment = 0;
      std::memcpy(&magic, bytes_->data() + size - back, 4);
      if (magic != kZipEnd) continue;
      std::memcpy(&comment, bytes_->data() + size - back + 20, 2);
      if (comment == back - kRecord) return size - back;
    }
    fail("{}: begins like a zip archive but has no directory at its end: it was cut short; fetch it again",
         bytes_->name());
  }

  struct Directory {
    std::uint64_t begin = 0, end = 0, count = 0;
  };

  [[nodiscard]] Directory find_directory() const {
    const auto end = find_end();
    ZipCursor record(*bytes_, end + 4, bytes_->size(), "end record");
    const auto disk = record.read<std::uint16_t>(), first_disk = record.read<std::uint16_t>();
    const auto count_here = record.read<std::uint16_t>(), count = record.read<std::uint16_t>();
    const auto size = record.read<std::uint32_t>(), begin = record.read<std::uint32_t>();
    check(disk == first_disk && count == count_here, "{}: is one part of a split zip archive; join it first",
          bytes_->name());
    Directory directory{begin, std::uint64_t{begin} + size, count};
    std::uint32_t magic = 0;
    if (end >= 20) std::memcpy(&magic, bytes_->data() + end - 20, 4);
    if (magic == kZip64Locator) {
      ZipCursor locator(*bytes_, end - 16, end, "zip64 locator");
      locator.read<std::uint32_t>();
      const auto where = locator.read<std::uint64_t>();
      check(where <= end - 20, "{}: the zip64 record lies outside the file; the file is damaged", bytes_->name());
      ZipCursor wide(*bytes_, where, end - 20, "zip64 record");
      check(wide.read<std::uint32_t>() == kZip64End, "{}: the zip64 record is damaged", bytes_->name());
      wide.take(28);  // record size, versions, disks, entries on this disk
      directory.count = wide.read<std::uint64_t>();
      const auto wide_size = wide.read<std::uint64_t>();
      directory.begin = wide.read<std::uint64_t>();
      check(directory.begin <= where && wide_size <= where - directory.begin,
            "{}: the zip directory lies outside the file; the file is damaged", bytes_->name());
      directory.end = directory.begin + wide_size;
    }
    check(directory.begin <= end && directory.end <= end,
          "{}: the zip directory lies outside the file; it is cut short", bytes_->name());
    check(directory.count <= kZipEntryLimit && directory.count * 46 <= directory.end - directory.begin,
          "{}: the zip directory says {} entries, more than fit; the file is damaged", bytes_->name(), directory.count);
    return directory;
  }

  void read_directory() {
    const auto directory = find_directory();
    directory_begin_ = directory.begin;
    ZipCursor cursor(*bytes_, directory.begin, directory.end, "directory");
    entries_.reserve(directory.count);
    for (std::uint64_t i = 0; i < directory.count; ++i) {
      entries_.push_back(read_entry(cursor));
      const auto& name = entries_.back().name;
      check(by_name_.emplace(name, i).second, "{}: the zip archive has two entries called '{}'; the file is damaged",
            bytes_->name(), printable(name));
    }
  }

  [[nodiscard]] ZipEntry read_entry(ZipCursor& cursor) const {
    check(cursor.read<std::uint32_t>() == kZipCentral, "{}: the zip directory is damaged", bytes_->name());
    cursor.read<std::uint32_t>();  // versions
    const auto flags = cursor.read<std::uint16_t>(), method = cursor.read<std::uint16_t>();
    cursor.read<std::uint32_t>();  // time and date
    ZipEntry entry;
    entry.crc = cursor.read<std::uint32_t>();
    std::uint64_t stored = cursor.read<std::uint32_t>();
    entry.size = cursor.read<std::uint32_t>();
    const auto name = cursor.read<std::uint16_t>(), extra = cursor.read<std::uint16_t>(),
               comment = cursor.read<std::uint16_t>();
    cursor.take(8);  // disk, attributes
    entry.local_offset = cursor.read<std::uint32_t>();
    entry.name = cursor.text(name);
    const auto extra_begin = cursor.position();
    cursor.take(extra);
    cursor.take(comment);
    read_zip64(extra_begin, extra, entry, stored);
    const auto shown = printable(entry.name);
    check((flags & 1) == 0, "{}: the zip entry '{}' is encrypted; save it without a password", bytes_->name(), shown);
    entry.compressed = method != 0 || stored != entry.size;
    entry.size = stored;
    locate_data(entry, shown);
    return entry;
  }

  /// Takes sizes and offset that do not fit 32 bits from the zip64 extra field (id 1), in the format's fixed order.
  void read_zip64(std::uint64_t begin, std::uint64_t size, ZipEntry& entry, std::uint64_t& stored) const {
    ZipCursor extra(*bytes_, begin, begin + size, "extra field");
    while (extra.left() >= 4) {
      const auto id = extra.read<std::uint16_t>(), length = extra.read<std::uint16_t>();
      const auto field = extra.position();
      extra.take(length);
      if (id != 1) continue;
      ZipCursor wide(*bytes_, field, field + length, "zip64 field");
      for (auto* value : {&entry.size, &stored, &entry.local_offset}) {
        if (*value == kZipIn64) *value = wide.read<std::uint64_t>();
      }
    }
  }

  /// Follows the local header to the data; only its name and length fields are used; the directory gives
  /// the rest.
  void locate_data(ZipEntry& entry, const std::string& shown) const {
    check(entry.local_offset < directory_begin_, "{}: the zip entry '{}' lies outside the file; it is damaged",
          bytes_->name(), shown);
    ZipCursor local(*bytes_, entry.local_offset, directory_begin_, "local header");
    check(local.read<std::uint32_t>() == kZipLocal, "{}: the zip entry '{}' has no local header; the file is damaged",
          bytes_->name(), shown);
    local.take(22);
    const auto name = local.read<std::uint16_t>(), extra = local.read<std::uint16_t>();
    check(local.text(name) == entry.name, "{}: the zip entry '{}' has another name in its local header; it is damaged",
          bytes_->name(), shown);
    local.take(extra);
    entry.data_offset = local.position();
    check(entry.size <= local.left(), "{}: the zip entry '{}' says {} bytes, more than the file has; it is damaged",
          bytes_->name(), shown, entry.size);
  }

  /// With overlapping entries a small archive could pretend to be a huge one.
  void check_no_overlap() const {
    std::vector<std::pair<std::uint64_t, std::uint64_t>> spans;
    for (const auto& entry : entries_) spans.emplace_back(entry.local_offset, entry.data_offset + entry.size);
    std::sort(spans.begin(), spans.end());
    for (std::size_t i = 1; i < spans.size(); ++i) {
      check(spans[i - 1].second <= spans[i].first, "{}: entries of the zip archive overlap; the file is damaged",
            bytes_->name());
    }
  }

  std::shared_ptr<FileBytes> bytes_;
  std::uint64_t directory_begin_ = 0;
  std::vector<ZipEntry> entries_;
  std::unordered_map<std::string_view, std::size_t> by_name_;
};

}  // namespace pam::detail
