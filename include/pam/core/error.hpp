// SPDX-License-Identifier: MIT
/// `pam::Error`, and `check`, which throws it. A message says what was got, the rule, and the remedy;
/// where a file or an option is at fault, it names the file and the field.
#pragma once

#include <pam/core/config.hpp>
#include <pam/core/torch.hpp>

#include <initializer_list>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>

namespace pam {

/// Bad input: a wrong option, shape, file or label. Programs print `what()` and exit with code 2.
/// (An error inside LibTorch stays a `c10::Error`.)
class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

namespace detail {

/// A number or a text of a message. Not fmt's own arguments: compiling fmt's formatter into every file that uses one
/// module of pam takes g++ four seconds.
class MessageArgument {
 public:
  template <typename T, std::enable_if_t<std::is_integral_v<T>, int> = 0>
  MessageArgument(T value) {  // NOLINT(google-explicit-constructor): a list of arguments is written without types
    if constexpr (std::is_same_v<T, bool>) {
      kind = Kind::Text, text = value ? "true" : "false";
    } else if constexpr (std::is_same_v<T, char>) {
      kind = Kind::Letter, whole = value;
    } else if constexpr (std::is_signed_v<T>) {
      kind = Kind::Signed, whole = static_cast<long long>(value);
    } else {
      kind = Kind::Unsigned, whole = static_cast<long long>(value);
    }
  }
  MessageArgument(float value) : kind(Kind::Single), real(static_cast<double>(value)) {}  // NOLINT
  MessageArgument(double value) : kind(Kind::Double), real(value) {}                      // NOLINT
  MessageArgument(const char* value) : text(value != nullptr ? value : "(null)") {}       // NOLINT
  MessageArgument(const std::string& value) : text(value) {}                              // NOLINT
  MessageArgument(std::string_view value) : text(value) {}                                // NOLINT

  enum class Kind { Text, Letter, Signed, Unsigned, Single, Double };
  Kind kind = Kind::Text;
  long long whole = 0;
  double real = 0;
  std::string_view text;
};

/// `message` with its places filled in, written as fmt writes them: {}, {0}, {{ and }}, and after a colon what printf
/// takes: {:.3g}, {:04}, {:02x}. A place without its argument stays as it is.
std::string format_message(std::string_view message, std::initializer_list<MessageArgument> arguments);

[[noreturn]] void fail_with(std::string_view message, std::initializer_list<MessageArgument> arguments);

}  // namespace detail

/// Throws `Error` with a formatted message. Example: `fail("{}: unknown label {}", path, value);` Arguments are numbers
/// and strings; lists as `joined(list)`.
template <typename... Args>
[[noreturn]] void fail(std::string_view message, const Args&... arguments) {
  detail::fail_with(message, {detail::MessageArgument(arguments)...});
}

/// Throws `Error` unless `condition` holds; the message is formatted only then.
/// Example: `check(width > 0, "UNet: width must be positive, got {}", width);`
template <typename... Args>
void check(bool condition, std::string_view message, const Args&... arguments) {
  if (!condition) fail(message, arguments...);
}

/// `message` with its places filled in as `fail` does it, for text that is no error; fmt is for what needs more.
template <typename... Args>
std::string formatted(std::string_view message, const Args&... arguments) {
  return detail::format_message(message, {detail::MessageArgument(arguments)...});
}

/// "a, b, c": the numbers or strings of a list, for messages.
template <typename List>
std::string joined(const List& list, const char* between = ", ") {
  std::string text;
  bool first = true;
  for (const auto& item : list) {
    if (!first) text += between;
    text += detail::format_message("{}", {detail::MessageArgument(item)});
    first = false;
  }
  return text;
}

/// "[2, 4, 160, 160]": a shape as messages print it; "undefined" for an undefined tensor.
std::string shape_string(const torch::Tensor& tensor);
std::string shape_string(at::IntArrayRef shape);

/// Throws unless `input` is (N, `channels`, H, W). `who` names the module or function in the message.
void check_nchw(const torch::Tensor& input, std::int64_t channels, const char* who);
/// The same of an input of this shape.
void check_nchw(at::IntArrayRef shape, std::int64_t channels, const char* who);

}  // namespace pam

#ifndef PAM_COMPILED
#include <pam/core/error-inl.hpp>
#endif
