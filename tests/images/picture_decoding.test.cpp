// SPDX-License-Identifier: MIT
#include <pam/images/picture_decoding.hpp>

#include "support/catch.hpp"

#include <thread>

namespace images_picture_decoding_test {
using namespace pam;

TEST_CASE("a thread decodes a picture while the scope lasts, and no other thread does", "[images]") {
  CHECK_FALSE(PictureDecoding::is_active());
  {
    const PictureDecoding outer;
    { const PictureDecoding inner; }
    CHECK(PictureDecoding::is_active());
    bool elsewhere = true;
    std::thread([&] { elsewhere = PictureDecoding::is_active(); }).join();
    CHECK_FALSE(elsewhere);
  }
  CHECK_FALSE(PictureDecoding::is_active());
}

}  // namespace images_picture_decoding_test
