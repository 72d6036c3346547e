// SPDX-License-Identifier: MIT
/// The definitions of labels.hpp.
#pragma once

#include <pam/core/error.hpp>
#include <pam/images/labels.hpp>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cctype>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <limits>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace pam {

PAM_FUNC LabelMap LabelMap::identity(std::int64_t classes) {
  check(classes == 0 || classes >= 2, "LabelMap: there are at least 2 classes with the background, got {}", classes);
  LabelMap map;
  map.text_ = classes == 0 ? "identity" : fmt::format("identity of {} classes", classes);
  map.classes_ = classes;
  return map;
}

PAM_FUNC LabelMap LabelMap::nonzero() {
  LabelMap map;
  map.ranges_ = {{std::numeric_limits<std::int64_t>::min(), -1, 1}, {1, std::numeric_limits<std::int64_t>::max(), 1}};
  map.text_ = "nonzero";
  map.classes_ = 2;
  return map;
}

PAM_FUNC LabelMap LabelMap::threshold(double value) {
  check(std::isfinite(value), "LabelMap: a threshold is a finite number, got {}", value);
  LabelMap map;
  map.threshold_ = value;
  map.text_ = fmt::format(">={:.9g}", value);
  map.classes_ = 2;
  return map;
}

PAM_FUNC LabelMap LabelMap::parse(const std::string& text, bool strict) {
  const auto trimmed = trim(text);
  if (trimmed == "nonzero") return nonzero();
  if (trimmed == "identity") return identity();
  if (trimmed.rfind(">=", 0) == 0) {
    const auto number = trim(trimmed.substr(2));
    char* end = nullptr;
    const double value = std::strtod(number.c_str(), &end);
    check(*end == '\0' && std::isfinite(value), "label map: \"{}\" is no threshold such as >=128", trimmed);
    return threshold(value);
  }
  LabelMap map;
  map.text_ = trimmed;
  map.strict_ = strict;
  if (trimmed.front() == '{') {
    map.add_json(trimmed, "label map");
  } else if (std::filesystem::path(trimmed).extension() == ".json") {
    std::ifstream file(trimmed);
    check(file.good(), "{}: the label map cannot be opened", trimmed);
    map.add_json(std::string(std::istreambuf_iterator<char>(file), {}), trimmed);
  } else {
    map.add_list(trimmed);
  }
  map.finish();
  return map;
}

PAM_FUNC torch::Tensor LabelMap::apply(const torch::Tensor& raw, const std::string& where, torch::Dtype dtype) const {
  check(raw.defined(), "{}: there are no labels", where);
  check(dtype == torch::kLong || dtype == torch::kShort, "LabelMap: classes are int64 or int16");
  auto result = torch::empty(raw.sizes(), dtype);
  const auto source = raw.contiguous();
  if (dtype == torch::kLong) {
    fill(source, result.data_ptr<std::int64_t>(), where);
  } else {
    fill(source, result.data_ptr<std::int16_t>(), where);
  }
  return result;
}

PAM_FUNC std::int64_t LabelMap::class_of(std::int64_t value, const std::string& where) const {
  if (threshold_) return static_cast<double>(value) >= *threshold_ ? 1 : 0;
  for (const auto& range : ranges_) {
    if (value >= range.low && value <= range.high) return range.target;
  }
  if (!ranges_.empty()) {
    check(!strict_ || value == 0,
          "{}: unknown label {}; the label map \"{}\" names all that may occur, being strict: name "
          "this value too (VALUE=0 for background), or do without strict",
          where, value, text_);
    return 0;
  }
  check(value == kIgnore || (value >= 0 && (classes_ == 0 || value < classes_)),
        "{}: unknown label {}; expected {}; name the values that count, for example CaseOptions::labels = "
        "LabelMap::parse(\"{}\")",
        where, value,
        classes_ == 0 ? "0, 1, 2, … (or -1 = ignore)" : fmt::format("0 … {} (or -1 = ignore)", classes_ - 1), value);
  return value;
}

PAM_FUNC std::string LabelMap::trim(const std::string& text) {
  const auto is_space = [](unsigned char c) { return std::isspace(c) != 0; };
  const auto begin = std::find_if_not(text.begin(), text.end(), is_space);
  const auto end = std::find_if_not(text.rbegin(), text.rend(), is_space).base();
  check(begin < end, "the label map is empty; write for example \"71-78\" or \"1=1,2=2\"");
  return {begin, end};
}

PAM_FUNC std::optional<std::int64_t> LabelMap::number(const std::string& text, std::size_t& position) {
  std::size_t end = position + (position < text.size() && text[position] == '-' ? 1 : 0);
  const auto first_digit = end;
  while (end < text.size() && std::isdigit(static_cast<unsigned char>(text[end])) != 0) ++end;
  if (end == first_digit || end - first_digit > 15) return std::nullopt;
  const auto value = std::stoll(text.substr(position, end - position));
  position = end;
  return value;
}

PAM_FUNC LabelMap::Range LabelMap::parse_range(const std::string& text) {
  std::size_t position = 0;
  const auto low = number(text, position);
  auto high = low;
  if (low && position < text.size() && text[position] == '-') high = number(text, ++position);
  check(low && high && position == text.size(), "label map: \"{}\" is not a value or a range such as 71-78", text);
  check(*low <= *high, "label map: the range \"{}\" runs backwards; write the smaller value first", text);
  return {*low, *high, 1};
}

PAM_FUNC std::int64_t LabelMap::parse_target(const std::string& text, const std::string& part) {
  if (text == "ignore") return kIgnore;
  std::size_t position = 0;
  const auto value = number(text, position);
  check(value && position == text.size() && *value >= 0 && *value <= 32767,
        "label map: in \"{}\" the class is \"{}\", but a class is 0 … 32767 or \"ignore\"", part, text);
  return *value;
}

PAM_FUNC void LabelMap::add_list(const std::string& text) {
  for (std::size_t start = 0; start <= text.size();) {
    const auto comma = std::min(text.find(',', start), text.size());
    const auto part = trim(text.substr(start, comma - start));
    const auto equals = part.find('=');
    auto range = parse_range(trim(part.substr(0, equals)));
    if (equals != std::string::npos) range.target = parse_target(trim(part.substr(equals + 1)), part);
    ranges_.push_back(range);
    start = comma + 1;
  }
}

PAM_FUNC void LabelMap::add_json(const std::string& text, const std::string& where) {
  nlohmann::json json;
  try {
    json = nlohmann::json::parse(text);
  } catch (const nlohmann::json::exception& exception) {
    fail("{}: is not valid JSON: {}", where, exception.what());
  }
  check(json.is_object() && !json.empty(),
        "{}: a label map is a JSON object such as {{\"71-78\": 1, \"255\": \"ignore\"}}", where);
  for (const auto& [key, value] : json.items()) {
    auto range = parse_range(trim(key));
    range.target = parse_target(value.is_string() ? value.get<std::string>() : value.dump(), key + ": " + value.dump());
    ranges_.push_back(range);
  }
}

PAM_FUNC void LabelMap::finish() {
  std::sort(ranges_.begin(), ranges_.end(), [](const Range& a, const Range& b) { return a.low < b.low; });
  for (std::size_t i = 1; i < ranges_.size(); ++i) {
    check(ranges_[i].low > ranges_[i - 1].high, "label map: \"{}\" names the value {} twice", text_, ranges_[i].low);
  }
  for (const auto& range : ranges_) classes_ = std::max(classes_, range.target + 1);
  check(classes_ >= 2, "label map: \"{}\" names no foreground class; give at least one value a class of 1 or more",
        text_);
}

template <typename Class>
void LabelMap::fill(const torch::Tensor& raw, Class* classes, const std::string& where) const {
  const auto count = raw.numel();
  switch (raw.scalar_type()) {
    case torch::kBool:
      return fill(raw.data_ptr<bool>(), classes, count, where);
    case torch::kByte:
      return fill(raw.data_ptr<std::uint8_t>(), classes, count, where);
    case torch::kChar:
      return fill(raw.data_ptr<std::int8_t>(), classes, count, where);
    case torch::kShort:
      return fill(raw.data_ptr<std::int16_t>(), classes, count, where);
    case torch::kInt:
      return fill(raw.data_ptr<std::int32_t>(), classes, count, where);
    case torch::kLong:
      return fill(raw.data_ptr<std::int64_t>(), classes, count, where);
    case torch::kFloat:
      return fill(raw.data_ptr<float>(), classes, count, where);
    case torch::kDouble:
      return fill(raw.data_ptr<double>(), classes, count, where);
    default:
      fail("{}: labels of type {} are not read; save them as integers", where, c10::toString(raw.scalar_type()));
  }
}

template <typename Raw, typename Class>
void LabelMap::fill(const Raw* raw, Class* classes, std::int64_t count, const std::string& where) const {
  if (count == 0) return;
  if (threshold_) {
    for (std::int64_t i = 0; i < count; ++i) {
      if constexpr (std::is_floating_point_v<Raw>) {
        check(!std::isnan(raw[i]), "{}: a label is NaN; repair the file, or set CaseOptions::zero_non_finite", where);
      }
      classes[i] = static_cast<double>(raw[i]) >= *threshold_ ? 1 : 0;
    }
    return;
  }
  Raw last = raw[0];  // neighbours are mostly equal
  auto last_class = class_as<Class>(integer(last, where), where);
  for (std::int64_t i = 0; i < count; ++i) {
    if (!(raw[i] == last)) {
      last = raw[i];
      last_class = class_as<Class>(integer(last, where), where);
    }
    classes[i] = last_class;
  }
}

template <typename Class>
Class LabelMap::class_as(std::int64_t value, const std::string& where) const {
  const auto result = class_of(value, where);
  check(result <= std::numeric_limits<Class>::max(), "{}: the class {} is beyond 32767; map labels to small classes",
        where, result);
  return static_cast<Class>(result);
}

template <typename Raw>
std::int64_t LabelMap::integer(Raw value, const std::string& where) {
  if constexpr (std::is_floating_point_v<Raw>) {
    const double exact = static_cast<double>(value), nearest = std::nearbyint(exact);
    check(std::isfinite(exact),
          "{}: the label {} is not an integer; repair the file, or have NaN and infinity taken as background by "
          "CaseOptions::zero_non_finite",
          where, exact);
    check(
        std::abs(exact - nearest) <= 1e-4 && std::abs(nearest) < 1e15,
        "{}: the label {} is not an integer; is this an image, or were the labels resampled with interpolation? Where "
        "they were, a threshold is a remedy (CaseOptions::labels = LabelMap::threshold(0.5))",
        where, exact);
    return static_cast<std::int64_t>(nearest);
  } else {
    return static_cast<std::int64_t>(value);
  }
}

}  // namespace pam
