// SPDX-License-Identifier: MIT
#include <pam/weights/detail/zip_writer.hpp>

#include "support/catch.hpp"

#include <cstring>
#include <sstream>

namespace weights_zip_writer_test {

TEST_CASE("the same entries give the same bytes, without times", "[weights]") {
  const auto write = [] {
    std::ostringstream out;
    pam::detail::ZipWriter zip(out);
    zip.add("one", "1", 1);
    zip.finish();
    return out.str();
  };
  const auto bytes = write();
  CHECK(bytes == write());
  // APPNOTE 4.3.7: time and date are bytes 10 to 13, the checksum bytes 14 to 17 ("1" has CRC-32 0x83DCEFB7).
  CHECK(std::memcmp(bytes.data() + 10, "\0\0\0\0\xB7\xEF\xDC\x83", 8) == 0);
}
}  // namespace weights_zip_writer_test
