// SPDX-License-Identifier: MIT
/// `unicode_form_notice`: says where names that look equal differ in their Unicode form. "é" is one character on most
/// systems (NFC), and "e" with a combining accent (NFD) in names that macOS wrote; Korean syllables are one character
/// or two to three letters.
#pragma once

#include <pam/core/config.hpp>

#include <filesystem>
#include <string>
#include <vector>

namespace pam {

/// "; NAME in A and NAME in B look the same, but …" for the first of `some` whose stem looks like that of one of
/// `others` and is of another Unicode form; empty where there is none. It ends the sentence of an error about names
/// that have no partner.
std::string unicode_form_notice(const std::vector<std::filesystem::path>& some,
                                const std::vector<std::filesystem::path>& others);

}  // namespace pam

#ifndef PAM_COMPILED
#include <pam/datasets/unicode_forms-inl.hpp>
#endif
