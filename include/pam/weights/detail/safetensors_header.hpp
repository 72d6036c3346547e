// SPDX-License-Identifier: MIT
/// The JSON header of a safetensors file, read event by event: everything in it is checked, and nothing recurses.
#pragma once

#include <pam/core/error.hpp>
#include <pam/weights/state_dict.hpp>

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>
#include <vector>

namespace pam::detail {

/// The format's own limit, and limits that keep the memory that a hostile header can claim far below 64 MiB.
constexpr std::uint64_t kSafetensorsHeaderLimit = 100'000'000;
constexpr std::size_t kTensorCountLimit = 65'536;
constexpr std::size_t kTensorRankLimit = 64;

/// One tensor as the header describes it, before anything is checked against the data.
struct SafetensorsEntry {
  std::string name, dtype;
  std::vector<std::uint64_t> shape, offsets;
  bool has_dtype = false, has_shape = false, has_offsets = false;
};

/// Receives nlohmann's parse events one by one. The grammar is three levels deep and anything else is refused at once,
/// so deeply nested arrays cost nothing, and repeated keys (which a DOM would merge silently) are detected.
class SafetensorsHeader {
 public:
  explicit SafetensorsHeader(std::string file) : file_(std::move(file)) {}
  std::deque<SafetensorsEntry> entries;  // a deque: `names_` points into it
  Metadata metadata;

  bool null() { return refuse("null"); }
  bool boolean(bool) { return refuse("a boolean"); }
  bool number_integer(std::int64_t) { return refuse("a negative number"); }
  bool number_float(double, const std::string&) { return refuse("a fraction"); }
  template <typename Binary>
  bool binary(Binary&) {
    return refuse("binary data");
  }
  bool number_unsigned(std::uint64_t value) {
    if (place_ != Place::kArray) return refuse("a number");
    array_->push_back(value);
    check(array_->size() <= kTensorRankLimit, "{}: tensor '{}' has more than {} dimensions; the file is damaged", file_,
          printable(entries.back().name), kTensorRankLimit);
    return true;
  }
  bool string(std::string& value) {
    if (place_ == Place::kMetadata) {
      const bool added = metadata.emplace(key_, std::move(value)).second;
      check(added, "{}: __metadata__ has the key '{}' twice; the file is damaged", file_, printable(key_));
      check(metadata.size() <= kTensorCountLimit, "{}: __metadata__ has more than {} keys", file_, kTensorCountLimit);
      return true;
    }
    if (place_ != Place::kTensor || key_ != "dtype") return refuse("a string");
    once(entries.back().has_dtype);
    entries.back().dtype = std::move(value);
    return true;
  }
  bool start_object(std::size_t) {
    if (place_ == Place::kStart) {
      place_ = Place::kTop;
    } else if (place_ == Place::kTop && key_ == "__metadata__") {
      check(!seen_metadata_, "{}: the header has __metadata__ twice; the file is damaged", file_);
      seen_metadata_ = true;
      place_ = Place::kMetadata;
    } else if (place_ == Place::kTop) {
      check(entries.size() < kTensorCountLimit, "{}: more than {} tensors; the file is damaged", file_,
            kTensorCountLimit);
      entries.emplace_back();
      entries.back().name = std::move(key_);
      check(names_.insert(entries.back().name).second,
            "{}: the tensor '{}' is listed twice; names must be unique: write the file again", file_,
            printable(entries.back().name));
      place_ = Place::kTensor;
    } else {
      return refuse("an object");
    }
    return true;
  }
  bool key(std::string& value) {
    key_ = std::move(value);
    return true;
  }
  bool end_object() {
    if (place_ == Place::kTensor) {
      const auto& entry = entries.back();
      check(entry.has_dtype && entry.has_shape && entry.has_offsets,
            "{}: tensor '{}' needs dtype, shape and data_offsets, one of which is missing; the file is damaged", file_,
            printable(entry.name));
    }
    place_ = place_ == Place::kTop ? Place::kEnd : Place::kTop;
    return true;
  }
  bool start_array(std::size_t) {
    if (place_ != Place::kTensor) return refuse("an array");
    auto& entry = entries.back();
    if (key_ == "shape") {
      once(entry.has_shape);
      array_ = &entry.shape;
    } else if (key_ == "data_offsets") {
      once(entry.has_offsets);
      array_ = &entry.offsets;
    } else {
      return refuse("an array");
    }
    place_ = Place::kArray;
    return true;
  }
  bool end_array() {
    place_ = Place::kTensor;
    return true;
  }
  bool parse_error(std::size_t position, const std::string&, const std::exception&) {
    fail("{}: the header is not JSON from byte {} on; the file is damaged: fetch or write it again", file_,
         position + 7);
  }

 private:
  enum class Place { kStart, kTop, kMetadata, kTensor, kArray, kEnd };

  void once(bool& seen) {
    check(!seen, "{}: tensor '{}' has the field '{}' twice; the file is damaged", file_, printable(entries.back().name),
          printable(key_));
    seen = true;
  }
  [[noreturn]] bool refuse(const char* what) const {
    const std::string owner = place_ == Place::kMetadata ? "__metadata__"
                              : place_ == Place::kTop || entries.empty()
                                  ? "the header"
                                  : "tensor '" + printable(entries.back().name) + "'";
    fail("{}: {} holds {} under '{}', which the safetensors format does not allow; the file is damaged", file_, owner,
         what, printable(key_));
  }

  std::string file_, key_;
  Place place_ = Place::kStart;
  bool seen_metadata_ = false;
  std::vector<std::uint64_t>* array_ = nullptr;
  std::unordered_set<std::string_view> names_;
};

/// JSON text of a string; throws where it is not UTF-8.
std::string json_string(const std::string& file, const std::string& text);

/// `{"__metadata__":{…}}`, a header without tensors.
std::string metadata_json(const std::string& file, const Metadata& metadata);

}  // namespace pam::detail

#ifndef PAM_COMPILED
#include <pam/weights/detail/safetensors_header-inl.hpp>
#endif
