// SPDX-License-Identifier: MIT
#include "cli/quiet_decoders.hpp"

#include <pam/images/picture_decoding.hpp>

#include <cstdio>
#include <iostream>
#include <mutex>
#include <streambuf>

#include <unistd.h>

namespace pam::apps {
namespace {

/// Passes on to `target` what is not written while a picture is decoded.
class FilteredBuffer final : public std::streambuf {
 public:
  explicit FilteredBuffer(std::streambuf* target) : target_(target) {}

 protected:
  int_type overflow(int_type c) override {
    if (PictureDecoding::is_active() || traits_type::eq_int_type(c, traits_type::eof())) return traits_type::not_eof(c);
    return target_->sputc(traits_type::to_char_type(c));
  }
  std::streamsize xsputn(const char* text, std::streamsize count) override {
    return PictureDecoding::is_active() ? count : target_->sputn(text, count);
  }
  int sync() override { return target_->pubsync(); }

 private:
  std::streambuf* target_;
};

#ifdef __GLIBC__
ssize_t write_filtered(void* /*cookie*/, const char* text, size_t count) {
  return PictureDecoding::is_active() ? static_cast<ssize_t>(count) : ::write(STDERR_FILENO, text, count);
}
#endif

}  // namespace

void silence_decoders() {
  static std::once_flag once;
  std::call_once(once, [] {
    // They live as long as the process: streams are flushed at its very end.
    std::cerr.rdbuf(new FilteredBuffer(std::cerr.rdbuf()));
    std::cout.rdbuf(new FilteredBuffer(std::cout.rdbuf()));
#ifdef __GLIBC__  // where `stderr` may be assigned
    if (auto* stream = fopencookie(nullptr, "w", {nullptr, write_filtered, nullptr, nullptr})) {
      setvbuf(stream, nullptr, _IONBF, 0);
      stderr = stream;
    }
#endif
  });
}

}  // namespace pam::apps
