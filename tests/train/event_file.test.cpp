// SPDX-License-Identifier: MIT
#include <pam/train/detail/event_file.hpp>
#include <pam/train/tensorboard.hpp>

#include "support/catch.hpp"
#include "support/files.hpp"

#include <cmath>
#include <iterator>

namespace train_event_file_test {

using namespace pam;

/// A reader written from the format's description, apart from the writer: framing, both CRCs, then protobuf fields.
struct Point {
  std::string tag;
  float value = 0;
  std::int64_t step = 0;
  std::string version;
};

std::uint64_t varint(const std::string& s, std::size_t& i) {
  std::uint64_t value = 0;
  for (int shift = 0;; shift += 7) {
    const auto byte = static_cast<unsigned char>(s.at(i++));
    value |= static_cast<std::uint64_t>(byte & 0x7f) << shift;
    if (byte < 0x80) return value;
  }
}

void parse(const std::string& s, int level, Point& point) {
  for (std::size_t i = 0; i < s.size();) {
    const auto key = varint(s, i);
    const auto field = key >> 3;
    if ((key & 7) == 0) {
      const auto value = varint(s, i);
      if (level == 0 && field == 2) point.step = static_cast<std::int64_t>(value);
    } else if ((key & 7) == 1) {
      i += 8;
    } else if ((key & 7) == 5) {
      if (level == 2 && field == 2) std::memcpy(&point.value, s.data() + i, 4);
      i += 4;
    } else {
      const auto size = varint(s, i);
      const auto content = s.substr(i, size);
      i += size;
      if (level == 0 && field == 3) point.version = content;
      if (level == 0 && field == 5) parse(content, 1, point);
      if (level == 1 && field == 1) parse(content, 2, point);
      if (level == 2 && field == 1) point.tag = content;
    }
  }
}

std::vector<Point> read(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(in), {}};
  std::vector<Point> points;
  for (std::size_t at = 0; at < bytes.size();) {
    std::uint64_t length = 0;
    std::uint32_t header = 0, footer = 0;
    std::memcpy(&length, bytes.data() + at, 8);
    std::memcpy(&header, bytes.data() + at + 8, 4);
    std::memcpy(&footer, bytes.data() + at + 12 + length, 4);
    const auto unmask = [](std::uint32_t crc) {
      crc -= 0xa282ead8u;
      return (crc >> 17) | (crc << 15);
    };
    REQUIRE(unmask(header) == crc32c(bytes.substr(at, 8)));
    REQUIRE(unmask(footer) == crc32c(bytes.substr(at + 12, length)));
    points.emplace_back();
    parse(bytes.substr(at + 12, length), 0, points.back());
    at += 16 + length;
  }
  return points;
}

TEST_CASE("CRC32C gives RFC 3720's check values", "[train]") {
  REQUIRE(crc32c("123456789") == 0xe3069283u);
  REQUIRE(crc32c(std::string(32, '\0')) == 0x8a9136aau);
  REQUIRE(crc32c(std::string(32, '\xff')) == 0x62a8ab43u);
}

TEST_CASE("scalars come back from an event file", "[train]") {
  test::TempDir dir;
  EventFile file(dir.path());
  file.scalar("train/loss", 0.25, 1);
  file.scalar("validation/iou", std::nan(""), 300);
  const auto points = read(file.path());
  REQUIRE(points.size() == 3);
  REQUIRE(points[0].version == "brain.Event:2");
  REQUIRE(points[1].tag == "train/loss");
  REQUIRE(points[1].value == 0.25f);
  REQUIRE(points[1].step == 1);
  REQUIRE(points[2].tag == "validation/iou");
  REQUIRE(std::isnan(points[2].value));
  REQUIRE(points[2].step == 300);
}

TEST_CASE("TensorBoardLog writes one point per epoch and leaves undefined numbers out", "[train]") {
  test::TempDir dir;
  TensorBoardLog log(dir.path());
  EpochEnd end;
  end.epoch = 2;
  end.loss = 0.5;
  end.validation = Validation(0.75, {{"iou", 0.75}, {"hd95", std::nan("")}});
  log(Event(end));
  std::vector<std::string> tags;
  for (const auto& entry : std::filesystem::directory_iterator(dir.path())) {
    for (const auto& point : read(entry.path())) tags.push_back(point.tag);
  }
  REQUIRE(std::count(tags.begin(), tags.end(), "train/loss") == 1);
  REQUIRE(std::count(tags.begin(), tags.end(), "validation/iou") == 1);
  REQUIRE(std::count(tags.begin(), tags.end(), "validation/hd95") == 0);
}

TEST_CASE("an event file in an unwritable place is refused by name", "[train]") {
  test::TempDir dir;
  std::ofstream(dir / "file") << "not a directory";
  REQUIRE_THROWS_WITH(EventFile(dir / "file"), Catch::Contains("file") && Catch::Contains("cannot be made"));
}

}  // namespace train_event_file_test
