// SPDX-License-Identifier: MIT
#include <pam/weights/detail/memory_map.hpp>

#include "support/bytes.hpp"
#include "support/catch.hpp"
#include "support/files.hpp"

#include <sys/stat.h>

namespace weights_memory_map_test {
using namespace pam;
using pam::test::message_of;
using pam::test::TempDir;
using pam::test::to_bytes;

TEST_CASE("a mapped file has the file's bytes, and writing to them leaves the file alone", "[weights]") {
  const TempDir folder;
  const auto path = folder / "file";
  test::write_bytes(path, to_bytes("0123456789"));
  const auto bytes = FileBytes::map(path);
  REQUIRE(bytes->size() == 10);
  CHECK(std::string(reinterpret_cast<char*>(bytes->data()), 10) == "0123456789");
  bytes->data()[0] = 'x';
  CHECK(test::read_bytes(path) == to_bytes("0123456789"));
}

TEST_CASE("an empty file maps to no bytes", "[weights]") {
  const TempDir folder;
  test::write_bytes(folder / "file", {});
  CHECK(FileBytes::map(folder / "file")->size() == 0);
}

TEST_CASE("what is no readable file is refused by name, a pipe without waiting", "[weights]") {
  const TempDir folder;
  const auto map = [](const std::filesystem::path& path) {
    return message_of<Error>([&] { static_cast<void>(FileBytes::map(path)); });
  };
  CHECK_THAT(map(folder / "none"), Catch::Contains("none") && Catch::Contains("No such file"));
  CHECK_THAT(map(folder.path()), Catch::Contains("not a file"));
  CHECK_THAT(map("/dev/null"), Catch::Contains("not a file"));
  REQUIRE(::mkfifo((folder / "pipe").c_str(), 0600) == 0);
  CHECK_THAT(map(folder / "pipe"), Catch::Contains("not a file"));
}
}  // namespace weights_memory_map_test
