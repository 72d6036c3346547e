// SPDX-License-Identifier: MIT
/// Catch2 2.13 (Debian 12) and Catch2 3 through one include, and `PAM_SKIP` for both.
#pragma once

#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
#define PAM_SKIP(reason) SKIP(reason)
namespace Catch {
/// Catch2 2's name for the matcher that Catch2 3 calls ContainsSubstring.
inline auto Contains(const std::string& text) { return Matchers::ContainsSubstring(text); }
}  // namespace Catch
using Catch::Approx;  // Catch2 2 has it here
#else
#include <catch2/catch.hpp>

#include <iostream>
/// Ends the test case and says so by name; a skipped test is never silent. Only in a test body (it returns).
#define PAM_SKIP(reason)                                                                               \
  do {                                                                                                 \
    std::cout << "SKIPPED: " << Catch::getResultCapture().getCurrentTestName() << ": " << (reason) << std::endl; \
    SUCCEED();                                                                                         \
    return;                                                                                            \
  } while (false)
#endif
