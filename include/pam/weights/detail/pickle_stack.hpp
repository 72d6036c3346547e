// SPDX-License-Identifier: MIT
/// The bounded parts of the unpickler: a cursor over the pickle, the value stack with its marks, and the memo.
#pragma once

#include <pam/core/error.hpp>
#include <pam/weights/detail/pickle_value.hpp>

#include <cstring>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace pam::detail {

/// Bounds on what a pickle may build; together they stay below 64 MiB. A checkpoint of 20,000 tensors fits.
constexpr std::size_t kPickleContainers = 300'000;
constexpr std::size_t kPickleItems = 1u << 19;
constexpr std::size_t kPickleMemo = 1u << 19;
constexpr std::size_t kPickleStack = 1u << 18;
constexpr std::size_t kPickleMarks = 1'000;
constexpr std::size_t kPickleTensors = 1u << 15;

/// The state that every opcode works on. Each method throws `Error` instead of leaving the pickle, the stack or the
/// bounds.
class PickleStack {
 protected:
  using Kind = PickleValue::Kind;

  PickleStack(std::string file, const std::uint8_t* data, std::size_t size)
      : file_(std::move(file)), text_(reinterpret_cast<const char*>(data), size) {}

  // ---- reading -------------------------------------------------------------------------------------------------
  [[noreturn]] void damaged(const char* what) const {
    fail("{}: {} at byte {} of its pickle; the file is damaged: fetch or save it again", file_, what, position_);
  }
  void need(bool condition, const char* what) const {
    if (!condition) damaged(what);
  }
  std::string_view take(std::size_t count) {
    need(count <= text_.size() - position_, "a value is cut short");
    const auto taken = text_.substr(position_, count);
    position_ += count;
    return taken;
  }
  template <typename Number>
  Number read() {
    Number number{};
    std::memcpy(&number, take(sizeof number).data(), sizeof number);
    return number;
  }
  std::string_view line() {
    const auto end = text_.find('\n', position_);
    need(end != std::string_view::npos, "a name is cut short");
    const auto taken = text_.substr(position_, end - position_);
    position_ = end + 1;
    return taken;
  }

  // ---- the stack (pushing returns true: "this opcode is done") ---------------------------------------------------
  bool push(PickleValue value) {
    need(stack_.size() < kPickleStack, "too many values");
    stack_.push_back(value);
    return true;
  }
  [[nodiscard]] std::size_t floor() const { return marks_.empty() ? 0 : marks_.back(); }
  PickleValue& top() {
    need(stack_.size() > floor(), "a value is missing");
    return stack_.back();
  }
  PickleValue pop() {
    const auto value = top();
    stack_.pop_back();
    return value;
  }
  void mark() {
    need(marks_.size() < kPickleMarks, "nested too deeply");
    marks_.push_back(stack_.size());
  }
  /// The values since the last mark, taken off with it.
  std::vector<PickleValue> pop_mark() {
    need(!marks_.empty(), "a mark is missing");
    const auto begin = stack_.begin() + static_cast<std::ptrdiff_t>(marks_.back());
    std::vector<PickleValue> values(begin, stack_.end());
    stack_.erase(begin, stack_.end());
    marks_.pop_back();
    return values;
  }
  bool push_int(std::int64_t number, Kind kind = Kind::kInt) {
    PickleValue value;
    value.kind = kind;
    value.number = number;
    return push(value);
  }
  bool push_string(std::size_t length) {
    PickleValue value;
    value.kind = Kind::kString;
    value.number = static_cast<std::int64_t>(position_);
    value.index = static_cast<std::uint32_t>(length);
    take(length);
    return push(value);
  }
  bool remember(std::uint32_t index) {
    need(index < kPickleMemo, "the memo is too large");
    if (index >= memo_.size()) {
      PickleValue unset;
      unset.kind = Kind::kOpaque;
      unset.number = -1;  // "never stored"
      memo_.resize(index + 1, unset);
    }
    const auto value = top();
    if (is_unset(memo_[index])) ++remembered_;
    memo_[index] = value;
    return true;
  }
  /// MEMOIZE: at the number of entries that there are, as Python counts.
  bool remember_next() { return remember(remembered_); }
  bool recall(std::uint32_t index) {
    need(index < memo_.size() && !is_unset(memo_[index]), "the memo lacks an entry");
    return push(memo_[index]);
  }

  std::string file_;
  std::string_view text_;
  std::size_t position_ = 0;

 private:
  static bool is_unset(const PickleValue& entry) { return entry.kind == Kind::kOpaque && entry.number == -1; }

  std::uint32_t remembered_ = 0;  // entries of the memo that are set
  std::vector<PickleValue> stack_, memo_;
  std::vector<std::size_t> marks_;
};

}  // namespace pam::detail
