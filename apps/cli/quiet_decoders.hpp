// SPDX-License-Identifier: MIT
/// Keeps what OpenCV, libpng, libjpeg and libtiff print away from the terminal.
#pragma once

namespace pam::apps {

/// From now on, what a thread writes to std::cerr, std::cout or C's stderr while it decodes a picture is dropped
/// (images/picture_decoding.hpp); all else passes. Other threads' messages are not affected. Called once, before
/// threads start; later calls do nothing.
void silence_decoders();

}  // namespace pam::apps
