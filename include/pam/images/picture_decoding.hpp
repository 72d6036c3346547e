// SPDX-License-Identifier: MIT
/// `PictureDecoding`: the time in which a thread decodes a picture. OpenCV and the libraries under it print to standard
/// error what pam throws as an `Error` anyway; a program that does not want that can drop what is written in such a
/// time (apps/cli/quiet_decoders.cpp does).
#pragma once

namespace pam {

/// This thread decodes a picture while one of these exists in it. `read_image` and `read_label_image` make them.
class PictureDecoding {
 public:
  PictureDecoding() : before_(active()) { active() = true; }
  PictureDecoding(const PictureDecoding&) = delete;
  PictureDecoding& operator=(const PictureDecoding&) = delete;
  ~PictureDecoding() { active() = before_; }

  /// Whether this thread decodes a picture now.
  [[nodiscard]] static bool is_active() { return active(); }

 private:
  static bool& active() {
    thread_local bool value = false;
    return value;
  }

  bool before_;
};

}  // namespace pam
