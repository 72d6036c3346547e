// SPDX-License-Identifier: MIT
/// `pam::Error`, and `check`, which throws it. A message says what was got, the rule, and the remedy;
/// where a file or an option is at fault, it names the file and the field.
#pragma once

#include <pam/core/torch.hpp>

#include <fmt/format.h>
#include <fmt/ranges.h>  // fmt::join: in format.h up to fmt 10, here since

#include <stdexcept>
#include <string>
#include <utility>

namespace pam {

/// Bad input: a wrong option, shape, file or label. Programs print `what()` and exit with code 2.
/// (An error inside LibTorch stays a `c10::Error`.)
class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// Throws `Error` with a formatted message. Example: `fail("{}: unknown label {}", path, value);`
template <typename... Args>
[[noreturn]] void fail(fmt::format_string<Args...> message, Args&&... args) {
  throw Error(fmt::format(message, std::forward<Args>(args)...));
}

/// Throws `Error` unless `condition` holds; the message is formatted only then.
/// Example: `check(width > 0, "UNet: width must be positive, got {}", width);`
template <typename... Args>
void check(bool condition, fmt::format_string<Args...> message, Args&&... args) {
  if (!condition) fail(message, std::forward<Args>(args)...);
}

/// "[2, 4, 160, 160]": a shape as messages print it; "undefined" for an undefined tensor.
inline std::string shape_string(const torch::Tensor& tensor) {
  return tensor.defined() ? fmt::format("[{}]", fmt::join(tensor.sizes().begin(), tensor.sizes().end(), ", "))
                          : std::string("undefined");
}

/// Throws unless `input` is (N, `channels`, H, W). `who` names the module or function in the message.
inline void check_nchw(const torch::Tensor& input, std::int64_t channels, const char* who) {
  check(input.defined() && input.dim() == 4, "{}: the input must be (N, C, H, W), got {}", who, shape_string(input));
  check(input.size(1) == channels, "{}: the input must have {} channels, got {} (shape {})", who, channels,
        input.size(1), shape_string(input));
}

}  // namespace pam
