// SPDX-License-Identifier: MIT
#include <pam/weights/detail/zip_reader.hpp>

#include "support/bytes.hpp"
#include "support/catch.hpp"
#include "support/files.hpp"
#include "support/python.hpp"

#include <sstream>

namespace weights_zip_reader_test {
using namespace pam;
using pam::detail::ZipArchive;
using pam::detail::ZipWriter;
using pam::test::Bytes;
using pam::test::message_of;
using pam::test::TempDir;
using pam::test::to_bytes;

ZipArchive open(const Bytes& bytes) { return ZipArchive(FileBytes::own(bytes, "a.pt")); }

std::string content(const ZipArchive& archive, const std::string& name) {
  const auto* entry = archive.find(name);
  REQUIRE(entry != nullptr);
  return std::string(reinterpret_cast<const char*>(archive.data(*entry)), entry->size);
}

Bytes sample() {
  std::ostringstream out;
  ZipWriter zip(out);
  zip.add("a/one", "first", 5);
  zip.add("a/empty", "", 0);
  zip.add("a/two", std::string(1000, 'x').data(), 1000);
  zip.finish();
  return to_bytes(out.str());
}

std::string refusal(const Bytes& bytes) {
  return message_of<Error>([&] {
    const auto archive = open(bytes);
    for (const auto& entry : archive.entries()) static_cast<void>(archive.data(entry));
  });
}

/// `bytes` with `value` at the `nth` place where `signature` stands, plus `offset`.
template <typename Number>
Bytes patched(Bytes bytes, std::uint32_t signature, std::size_t nth, std::size_t offset, Number value) {
  for (std::size_t i = 0; i + 4 <= bytes.size(); ++i) {
    std::uint32_t here = 0;
    std::memcpy(&here, bytes.data() + i, 4);
    if (here == signature && nth-- == 0) {
      std::memcpy(bytes.data() + i + offset, &value, sizeof value);
      return bytes;
    }
  }
  throw std::runtime_error("signature not found");
}

TEST_CASE("entries come back with their bytes, aligned to 64", "[weights]") {
  const auto bytes = sample();
  const auto archive = open(bytes);
  CHECK(archive.entries().size() == 3);
  CHECK(content(archive, "a/one") == "first");
  CHECK(content(archive, "a/empty").empty());
  CHECK(content(archive, "a/two") == std::string(1000, 'x'));
  CHECK(archive.find("a/three") == nullptr);
  for (const auto& entry : archive.entries()) CHECK(entry.data_offset % 64 == 0);
}

TEST_CASE("an archive of Python's zipfile is read, with comment, and Python reads ours", "[weights]") {
  if (!test::python_has("zipfile")) PAM_SKIP("Python is absent");
  const TempDir folder;
  test::write_bytes(folder / "ours.zip", sample());
  test::run_python(R"PY(
import sys, zipfile
ours = zipfile.ZipFile(sys.argv[1])
assert ours.testzip() is None
assert ours.namelist() == ["a/one", "a/empty", "a/two"] and ours.read("a/two") == b"x" * 1000
with zipfile.ZipFile(sys.argv[2], "w", zipfile.ZIP_STORED) as out:
    out.comment = b"PK\x05\x06 is no end record here"
    out.writestr("b/one", "hello")
    with out.open("b/wide", "w", force_zip64=True) as entry:
        entry.write(b"wide")
with zipfile.ZipFile(sys.argv[3], "w", zipfile.ZIP_DEFLATED) as out:
    out.writestr("b/one", "hello" * 100)
with zipfile.ZipFile(sys.argv[4], "w") as out:
    pass
)PY",
                   {(folder / "ours.zip").string(), (folder / "theirs.zip").string(), (folder / "deflated.zip").string(),
                    (folder / "none.zip").string()});
  const auto theirs = open(test::read_bytes(folder / "theirs.zip"));
  CHECK(content(theirs, "b/one") == "hello");
  CHECK(content(theirs, "b/wide") == "wide");
  CHECK_THAT(refusal(test::read_bytes(folder / "deflated.zip")), Catch::Contains("'b/one' is compressed"));
  CHECK(open(test::read_bytes(folder / "none.zip")).entries().empty());
}

TEST_CASE("an archive that was cut short or extended is refused at every length", "[weights]") {
  const auto bytes = sample();
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    const auto message = refusal(Bytes(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(size)));
    if (message == "no error") FAIL("accepted " << size << " of " << bytes.size() << " bytes");
  }
  auto longer = bytes;
  longer.push_back(0);
  CHECK_THAT(refusal(longer), Catch::Contains("no directory at its end"));
}

TEST_CASE("a byte that changed in an entry is found by its checksum", "[weights]") {
  auto bytes = sample();
  const auto at = open(bytes).find("a/two")->data_offset;
  bytes[at + 500] ^= 1;
  CHECK_THAT(refusal(bytes), Catch::Contains("'a/two' does not match its checksum"));
  // PyTorch can leave checksums out; it writes zero then.
  CHECK(refusal(patched(bytes, pam::detail::kZipCentral, 2, 16, std::uint32_t{0})) == "no error");
}

TEST_CASE("every field of the directory is checked", "[weights]") {
  using namespace pam::detail;
  const auto bytes = sample();
  const auto central = [&](std::size_t offset, auto value) { return refusal(patched(bytes, kZipCentral, 0, offset, value)); };
  CHECK_THAT(central(0, std::uint32_t{0}), Catch::Contains("directory is damaged"));
  CHECK_THAT(central(8, std::uint16_t{1}), Catch::Contains("encrypted"));
  CHECK_THAT(central(10, std::uint16_t{8}), Catch::Contains("compressed"));
  CHECK_THAT(central(20, std::uint32_t{4}), Catch::Contains("no local header"));  // then the zip64 fields move up
  CHECK_THAT(central(28, std::uint16_t{0xFFFF}), Catch::Contains("cut short"));
  CHECK_THAT(central(46, 'b'), Catch::Contains("another name in its local header"));
  // the zip64 field behind the name "a/one": size, stored size, offset of the local header
  CHECK_THAT(central(51 + 4, ~std::uint64_t{0}), Catch::Contains("compressed"));
  CHECK_THAT(central(51 + 20, std::uint64_t{1}), Catch::Contains("no local header"));
  CHECK_THAT(central(51 + 20, ~std::uint64_t{0}), Catch::Contains("outside the file"));
  auto both = patched(bytes, kZipCentral, 0, 51 + 4, std::uint64_t{1} << 60);
  CHECK_THAT(refusal(patched(both, kZipCentral, 0, 51 + 12, std::uint64_t{1} << 60)), Catch::Contains("more than the file"));
  CHECK_THAT(central(51, std::uint16_t{9}), Catch::Contains("compressed") || Catch::Contains("outside"));
  CHECK_THAT(refusal(patched(bytes, kZipLocal, 0, 28, std::uint16_t{0xFFFF})), Catch::Contains("cut short"));

  const auto end64 = [&](std::size_t offset, std::uint64_t value) {
    return refusal(patched(bytes, kZip64End, 0, offset, value));
  };
  CHECK_THAT(end64(32, 4), Catch::Contains("directory is cut short"));       // one entry more than there are
  CHECK_THAT(end64(32, ~std::uint64_t{0}), Catch::Contains("more than fit"));
  CHECK_THAT(end64(40, ~std::uint64_t{0}), Catch::Contains("outside the file"));
  CHECK_THAT(end64(48, ~std::uint64_t{0}), Catch::Contains("outside the file"));
  CHECK_THAT(refusal(patched(bytes, kZip64Locator, 0, 8, ~std::uint64_t{0})), Catch::Contains("outside the file"));
  CHECK_THAT(refusal(patched(bytes, kZip64Locator, 0, 8, std::uint64_t{0})), Catch::Contains("zip64 record is damaged"));
  CHECK_THAT(refusal(patched(bytes, kZipEnd, 0, 4, std::uint16_t{1})), Catch::Contains("split zip archive"));
}

TEST_CASE("two entries of one name and entries that overlap are refused", "[weights]") {
  std::ostringstream out;
  ZipWriter zip(out);
  zip.add("a", "1", 1);
  zip.add("a", "2", 1);
  zip.finish();
  CHECK_THAT(refusal(to_bytes(out.str())), Catch::Contains("two entries called 'a'"));

  // The first entry claims the bytes of the second as its own.
  const auto bytes = sample();
  const std::uint64_t size = 200;
  auto wide = patched(bytes, pam::detail::kZipCentral, 0, 51 + 4, size);
  wide = patched(wide, pam::detail::kZipCentral, 0, 51 + 12, size);
  CHECK_THAT(refusal(wide), Catch::Contains("overlap"));
}

TEST_CASE("more than 65,535 entries need the zip64 record, and have it", "[weights]") {
  std::ostringstream out;
  ZipWriter zip(out);
  for (int i = 0; i < 70'000; ++i) zip.add(std::to_string(i), "", 0);
  zip.finish();
  CHECK(open(to_bytes(out.str())).entries().size() == 70'000);
}
}  // namespace weights_zip_reader_test
