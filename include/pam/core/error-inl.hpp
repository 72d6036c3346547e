// SPDX-License-Identifier: MIT
/// The definitions of error.hpp.
#pragma once

#include <pam/core/error.hpp>

#include <algorithm>
#include <cstdio>
#include <cstdlib>

namespace pam {

namespace detail {

/// One printf of a number; its format is a user's in no case.
template <typename T>
std::string print_number(const std::string& format, T value) {
  char buffer[64];
  const auto length = std::snprintf(buffer, sizeof(buffer), format.c_str(), value);
  if (length >= 0 && static_cast<std::size_t>(length) < sizeof(buffer)) return std::string(buffer);
  std::string text(static_cast<std::size_t>(length < 0 ? 0 : length) + 1, '\0');
  std::snprintf(text.data(), text.size(), format.c_str(), value);
  text.pop_back();
  return text;
}

/// The fewest digits that read back as `value`, without an exponent from 1e-4 up to 1e16.
PAM_FUNC std::string shortest(double value, bool single) {
  const int most = single ? 9 : 17;
  for (int digits = 1; digits <= most; ++digits) {
    const auto text = print_number("%." + std::to_string(digits - 1) + "e", value);
    const auto same = single ? std::strtof(text.c_str(), nullptr) == static_cast<float>(value)
                             : std::strtod(text.c_str(), nullptr) == value;
    const auto e = text.find('e');
    if (e == std::string::npos) return text;  // inf, nan
    if (!same && digits < most) continue;
    const int exponent = std::atoi(text.c_str() + e + 1);
    if (exponent < -4 || exponent >= 16) return text;
    return print_number("%." + std::to_string(std::max(0, digits - 1 - exponent)) + "f", value);
  }
  return {};
}

PAM_FUNC std::string text_of(const MessageArgument& argument, const std::string& spec) {
  using Kind = MessageArgument::Kind;
  if (argument.kind == Kind::Text) return std::string(argument.text);
  if (argument.kind == Kind::Letter) return std::string(1, static_cast<char>(argument.whole));
  if (argument.kind == Kind::Single || argument.kind == Kind::Double) {
    return spec.empty() ? shortest(argument.real, argument.kind == Kind::Single)
                        : print_number("%" + spec, argument.real);
  }
  const bool typed = !spec.empty() && (spec.back() == 'x' || spec.back() == 'd');
  const std::string type(1, typed ? spec.back() : argument.kind == Kind::Signed ? 'd' : 'u');
  return print_number("%" + (typed ? spec.substr(0, spec.size() - 1) : spec) + "ll" + type, argument.whole);
}

PAM_FUNC std::string format_message(std::string_view message, std::initializer_list<MessageArgument> arguments) {
  std::string result;
  std::size_t next = 0;
  for (std::size_t i = 0; i < message.size(); ++i) {
    const char c = message[i];
    if ((c == '{' || c == '}') && i + 1 < message.size() && message[i + 1] == c) {
      result += c, ++i;
      continue;
    }
    const auto end = c == '{' ? message.find('}', i) : std::string_view::npos;
    if (end == std::string_view::npos) {
      result += c;
      continue;
    }
    const auto place = message.substr(i + 1, end - i - 1);
    const auto colon = place.find(':');
    const auto name = place.substr(0, colon);
    const auto index = name.empty() ? next++ : static_cast<std::size_t>(std::atoi(std::string(name).c_str()));
    const std::string spec(colon == std::string_view::npos ? std::string_view() : place.substr(colon + 1));
    result += index < arguments.size() ? text_of(arguments.begin()[index], spec)
                                       : std::string(message.substr(i, end - i + 1));
    i = end;
  }
  return result;
}

PAM_FUNC void fail_with(std::string_view message, std::initializer_list<MessageArgument> arguments) {
  throw Error(format_message(message, arguments));
}

}  // namespace detail

PAM_FUNC std::string shape_string(const torch::Tensor& tensor) {
  return tensor.defined() ? shape_string(tensor.sizes()) : std::string("undefined");
}
PAM_FUNC std::string shape_string(at::IntArrayRef shape) { return "[" + joined(shape) + "]"; }

PAM_FUNC void check_nchw(const torch::Tensor& input, std::int64_t channels, const char* who) {
  check(input.defined(), "{}: the input must be (N, C, H, W), got {}", who, shape_string(input));
  check_nchw(input.sizes(), channels, who);
}
PAM_FUNC void check_nchw(at::IntArrayRef shape, std::int64_t channels, const char* who) {
  check(shape.size() == 4, "{}: the input must be (N, C, H, W), got {}", who, shape_string(shape));
  check(shape[1] == channels, "{}: the input must have {} channels, got {} (shape {})", who, channels, shape[1],
        shape_string(shape));
}

}  // namespace pam
