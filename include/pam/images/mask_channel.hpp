// SPDX-License-Identifier: MIT
/// `MaskChannel`: which channel of a label picture holds the labels.
#pragma once

#include <pam/core/config.hpp>

#include <string>

namespace pam {

/// Grey: the one channel of grey pictures, the index of palettes, and the value that red, green and blue share. The
/// others are the channels of colour pictures; Alpha also that of grey ones.
enum class MaskChannel { Grey, Red, Green, Blue, Alpha };

/// "grey", "red", "green", "blue", "alpha".
const char* to_string(MaskChannel value);

/// The reverse; false where `name` is none of them.
bool from_string(const std::string& name, MaskChannel& value);

}  // namespace pam

#ifndef PAM_COMPILED
#include <pam/images/mask_channel-inl.hpp>
#endif
