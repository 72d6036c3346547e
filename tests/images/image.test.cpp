// SPDX-License-Identifier: MIT
#include <pam/images/image.hpp>
#include <pam/images/image_labels.hpp>
#include <pam/images/image_resize.hpp>
#include <pam/images/resize_labels.hpp>

#include "support/catch.hpp"
#include "support/files.hpp"
#include "support/memory_limit.hpp"
#include "support/python.hpp"
#include "support/tensor_matchers.hpp"

#include <random>

#include <sys/resource.h>

namespace images_image_test {
using namespace pam;
using namespace pam::test;
using Catch::Contains;

std::string slurp(const std::filesystem::path& path) {
  std::ostringstream content;
  content << std::ifstream(path, std::ios::binary).rdbuf();
  return content.str();
}
void spill(const std::filesystem::path& path, const std::string& content) {
  std::ofstream(path, std::ios::binary) << content;
}

std::string why(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}
std::string why_image(const std::filesystem::path& path) {
  return why([&] { static_cast<void>(read_image(path)); });
}
std::string why_labels(const std::filesystem::path& path) {
  return why([&] { static_cast<void>(read_label_image(path)); });
}

/// A PNG writer that knows zlib, struct and nothing of pam: grey, palette and few-bit pictures.
const char* const kPngWriter = R"(
import struct, sys, zlib
def png(path, width, height, bits, colour, rows, palette=None, trns=None):
    def chunk(kind, data): return struct.pack('>I', len(data)) + kind + data + struct.pack('>I', zlib.crc32(kind + data))
    out = b'\x89PNG\r\n\x1a\n' + chunk(b'IHDR', struct.pack('>IIBBBBB', width, height, bits, colour, 0, 0, 0))
    if palette: out += chunk(b'PLTE', bytes(sum(palette, [])))
    if trns: out += chunk(b'tRNS', bytes(trns))
    out += chunk(b'IDAT', zlib.compress(b''.join(b'\0' + bytes(r) for r in rows))) + chunk(b'IEND', b'')
    open(sys.argv[1] + '/' + path, 'wb').write(out)
)";

TEST_CASE("pictures come back as they were written: 8 and 16 bit, grey and RGB, PNG and TIFF", "[images]") {
  const TempDir folder;
  for (const char* name : {"a.png", "a.tif", "A.TIFF"}) {
    for (const std::int64_t channels : {1, 3}) {
      for (const bool deep : {false, true}) {
        const auto image = torch::randint(0, deep ? 65536 : 256, {channels, 7, 5}, deep ? torch::kInt : torch::kByte);
        write_image(folder / name, image);
        CAPTURE(name, channels, deep);
        REQUIRE(torch::equal(read_image(folder / name), image));
      }
    }
  }
  const auto reals = torch::randn({3, 4, 6});
  write_image(folder / "f.tif", reals);
  REQUIRE(torch::equal(read_image(folder / "f.tif"), reals));
  write_image(folder / "flat.png", torch::full({4, 6}, 9, torch::kByte));
  REQUIRE(read_image(folder / "flat.png").sizes() == torch::IntArrayRef({1, 4, 6}));
}

TEST_CASE("JPEG keeps a smooth picture to a few grey levels, red stays red", "[images]") {
  const TempDir folder;
  const auto ramp = torch::arange(64, torch::kFloat).mul(4).expand({64, 64}).to(torch::kByte);
  const auto image = torch::stack({torch::full_like(ramp, 200), ramp, torch::full_like(ramp, 10)});
  write_image(folder / "a.jpg", image);
  // Quality 95, chroma at half resolution: 6 levels leave room for every libjpeg.
  REQUIRE_THAT(read_image(folder / "a.jpg"), IsClose(image).atol(6));
}

TEST_CASE("channels can be asked for; alpha is dropped", "[images]") {
  const TempDir folder;
  const auto rgb = torch::randint(0, 256, {3, 4, 5}, torch::kByte);
  write_image(folder / "rgb.png", rgb);
  write_image(folder / "grey.png", rgb.slice(0, 0, 1));
  REQUIRE(torch::equal(read_image(folder / "grey.png", 3), rgb.slice(0, 0, 1).expand({3, 4, 5})));
  const auto wide = rgb.to(torch::kDouble);
  const auto luma = (0.299 * wide[0] + 0.587 * wide[1] + 0.114 * wide[2]).round().to(torch::kByte).unsqueeze(0);
  REQUIRE(torch::equal(read_image(folder / "rgb.png", 1), luma));
  REQUIRE_THROWS_WITH(read_image(folder / "rgb.png", 2), Contains("channels must be 0"));
  if (!python_has("zlib")) PAM_SKIP("Debian's python3 is absent");
  run_python(std::string(kPngWriter) + R"(
png('rgba.png', 2, 1, 8, 6, [[255, 0, 10, 0, 1, 2, 3, 128]])
png('ga.png', 2, 1, 8, 4, [[77, 0, 5, 255]])
png('deep.png', 1, 1, 16, 2, [[1, 2, 3, 4, 255, 255]])
)",
             {folder.path().string()});
  REQUIRE(torch::equal(read_image(folder / "rgba.png"),
                       torch::tensor({255, 1, 0, 2, 10, 3}, torch::kByte).view({3, 1, 2})));
  REQUIRE(torch::equal(read_image(folder / "ga.png"), torch::tensor({77, 5}, torch::kByte).view({1, 1, 2})));
  REQUIRE(torch::equal(read_image(folder / "deep.png"), torch::tensor({258, 772, 65535}, torch::kInt).view({3, 1, 1})));
}

TEST_CASE("labels are read unchanged: 8 and 16 bit, 1 to 4 bits, palettes, RGB of equal channels", "[images]") {
  const TempDir folder;
  for (const std::int64_t top : {2, 256, 65536}) {
    for (const char* name : {"l.png", "l.tif"}) {
      const auto labels = torch::randint(0, top, {6, 9}, torch::kInt);
      write_label_image(folder / name, labels.to(torch::kLong));
      REQUIRE(torch::equal(read_label_image(folder / name), labels));
    }
  }
  write_image(folder / "equal.png", torch::full({3, 2, 2}, 11, torch::kByte));
  REQUIRE(torch::equal(read_label_image(folder / "equal.png"), torch::full({2, 2}, 11, torch::kInt)));
  if (!python_has("zlib")) PAM_SKIP("Debian's python3 is absent");
  run_python(std::string(kPngWriter) + R"(
png('one.png', 8, 1, 1, 0, [[0b01100001]])
png('two.png', 4, 1, 2, 0, [[0b00011011]])
png('four.png', 2, 1, 4, 0, [[0x5F]])
voc = [[0, 0, 0], [128, 0, 0], [0, 128, 0], [128, 128, 0]]
png('voc.png', 4, 1, 8, 3, [[3, 0, 2, 1]], voc)
png('voc2.png', 4, 1, 2, 3, [[0b11001001]], voc)
png('vocalpha.png', 4, 1, 8, 3, [[3, 0, 2, 1]], voc, [0, 255])
png('filled.png', 4, 1, 8, 3, [[3, 0, 2, 1]], voc + [[0, 0, 0]] * 12)
png('double.png', 2, 1, 8, 3, [[0, 1]], [[9, 9, 9], [9, 9, 9]])
png('ga.png', 2, 1, 8, 4, [[7, 0, 5, 255]])
)",
             {folder.path().string()});
  const auto row = [](std::vector<int> values) { return torch::tensor(values, torch::kInt).unsqueeze(0); };
  REQUIRE(torch::equal(read_label_image(folder / "one.png"), row({0, 1, 1, 0, 0, 0, 0, 1})));
  REQUIRE(torch::equal(read_label_image(folder / "two.png"), row({0, 1, 2, 3})));
  REQUIRE(torch::equal(read_label_image(folder / "four.png"), row({5, 15})));
  for (const char* name : {"voc.png", "voc2.png", "vocalpha.png", "filled.png"}) {
    CAPTURE(name);
    REQUIRE(torch::equal(read_label_image(folder / name), row({3, 0, 2, 1})));
  }
  REQUIRE(torch::equal(read_label_image(folder / "ga.png"), row({7, 5})));
  REQUIRE_THAT(why_labels(folder / "double.png"),
               Contains("double.png") && Contains("(9, 9, 9)") && Contains("more than one"));
}

TEST_CASE("label TIFFs give the numbers that are stored, whatever is shown: white as 0, 1 bit", "[images]") {
  const TempDir folder;
  // 8 x 2 pixels; by hand: a header, six entries, the pixels. Writers such as ImageJ save masks with white as 0.
  const auto write = [&](const char* name, int bits, int photometric, const std::string& pixels) {
    std::string file("II*\0\10\0\0\0", 8);
    const auto number = [&](unsigned value, int count) {
      for (int i = 0; i < count; ++i) file += static_cast<char>(value >> (8 * i) & 255U);
    };
    const std::vector<std::pair<unsigned, unsigned>> entries{{256, 8},           {257, 2},
                                                             {258, bits},        {259, 1},
                                                             {262, photometric}, {273, 8 + 2 + 12 * 8 + 4},
                                                             {278, 2},           {279, pixels.size()}};
    number(static_cast<unsigned>(entries.size()), 2);
    for (const auto& [tag, value] : entries) number(tag, 2), number(4, 2), number(1, 4), number(value, 4);
    number(0, 4);
    spill(folder / name, file + pixels);
    return read_label_image(folder / name);
  };
  const std::string levels("\0\1\2\3\4\5\6\7\0\0\0\0\0\0\0\377", 16), bits("\x81\x01");
  const auto expected = torch::tensor({{0, 1, 2, 3, 4, 5, 6, 7}, {0, 0, 0, 0, 0, 0, 0, 255}}, torch::kInt);
  REQUIRE(torch::equal(write("black.tif", 8, 1, levels), expected));
  REQUIRE(torch::equal(write("white.tif", 8, 0, levels), expected));
  const auto two = torch::tensor({{1, 0, 0, 0, 0, 0, 0, 1}, {0, 0, 0, 0, 0, 0, 0, 1}}, torch::kInt);
  REQUIRE(torch::equal(write("bits.tif", 1, 1, bits), two));
  REQUIRE(torch::equal(write("inverted_bits.tif", 1, 0, bits), two));
}

/// What EXIF 2.32 says of Orientation 1 … 8: which corner of the display the first stored row and column lie at.
torch::Tensor displayed(const torch::Tensor& stored, int orientation) {
  const auto turned = [&](int quarters) { return torch::rot90(stored, quarters, {1, 2}); };  // to the left
  switch (orientation) {
    case 2:
      return stored.flip({2});
    case 3:
      return turned(2);
    case 4:
      return stored.flip({1});
    case 5:
      return stored.transpose(1, 2);
    case 6:
      return turned(-1);
    case 7:
      return turned(2).transpose(1, 2);
    case 8:
      return turned(1);
    default:
      return stored;
  }
}

/// An EXIF block with this orientation alone.
std::string exif_block(int orientation, bool big_endian) {
  if (!big_endian) {
    return std::string("II*\0\10\0\0\0\1\0\x12\1\3\0\1\0\0\0", 18) + static_cast<char>(orientation) +
           std::string(7, '\0');
  }
  return std::string("MM\0*\0\0\0\10\0\1\1\x12\0\3\0\0\0\1\0", 19) + static_cast<char>(orientation) +
         std::string(6, '\0');
}

TEST_CASE("JPEG, PNG and WebP are turned as their EXIF orientation says, labels as well as images", "[images]") {
  const TempDir folder;
  write_image(folder / "a.jpg", torch::randint(0, 256, {3, 8, 24}, torch::kByte));
  write_image(folder / "a.png", torch::randint(0, 256, {1, 5, 7}, torch::kByte));
  const auto jpeg = read_image(folder / "a.jpg"), png = read_image(folder / "a.png");
  const auto jpeg_bytes = slurp(folder / "a.jpg"), png_bytes = slurp(folder / "a.png");
  for (int orientation = 1; orientation <= 8; ++orientation) {
    const bool big = orientation % 2 == 0;
    const auto exif = exif_block(orientation, big);
    CAPTURE(orientation);
    const auto segment = std::string("Exif\0\0", 6) + exif;
    const std::string head{'\xFF', '\xE1', '\0', static_cast<char>(segment.size() + 2)};
    spill(folder / "b.jpg", jpeg_bytes.substr(0, 2) + head + segment + jpeg_bytes.substr(2));
    REQUIRE(torch::equal(read_image(folder / "b.jpg"), displayed(jpeg, orientation)));
    // libpng passes over the wrong checksum of a chunk that it does not need.
    const auto chunk = std::string("\0\0\0", 3) + static_cast<char>(exif.size()) + "eXIf" + exif + std::string(4, '\0');
    spill(folder / "b.png", png_bytes.substr(0, 33) + chunk + png_bytes.substr(33));
    REQUIRE(torch::equal(read_image(folder / "b.png"), displayed(png, orientation)));
    REQUIRE(torch::equal(read_label_image(folder / "b.png"), displayed(png, orientation)[0].to(torch::kInt)));
  }
  std::vector<unsigned char> webp;
  const cv::Mat grey(6, 4, CV_8UC3, cv::Scalar(3, 40, 200));
  if (!cv::haveImageWriter("a.webp")) PAM_SKIP("this OpenCV is built without WebP");
  REQUIRE(cv::imencode(".webp", grey, webp, {cv::IMWRITE_WEBP_QUALITY, 101}));
  // As WebP's container says: VP8X with the flag of EXIF and the sizes less one, the picture, EXIF.
  const auto le = [](std::size_t value, int count) {
    std::string text;
    for (int i = 0; i < count; ++i) text += static_cast<char>(value >> (8 * i) & 255U);
    return text;
  };
  const auto exif = exif_block(6, false);
  const auto body = "WEBPVP8X" + le(10, 4) + le(8, 4) + le(3, 3) + le(5, 3) +
                    std::string(webp.begin() + 12, webp.end()) + "EXIF" + le(exif.size(), 4) + exif;
  spill(folder / "b.webp", "RIFF" + le(body.size(), 4) + body);
  REQUIRE(read_image(folder / "b.webp").sizes() == torch::IntArrayRef({3, 4, 6}));
}

TEST_CASE("BMP and WebP are read as they were written; lossy ones are no labels", "[images]") {
  const TempDir folder;
  const auto pixels = torch::randint(0, 256, {3, 5, 7}, torch::kByte);
  write_image(folder / "a.png", pixels);
  const auto mat = cv::imread((folder / "a.png").string());
  REQUIRE(cv::imwrite((folder / "a.bmp").string(), mat));
  REQUIRE(torch::equal(read_image(folder / "a.bmp"), pixels));
  const auto whole = slurp(folder / "a.bmp");
  spill(folder / "cut.bmp", whole.substr(0, whole.size() - 30));
  REQUIRE_THAT(why_image(folder / "cut.bmp"), Contains("cut.bmp") && Contains("cut short"));
  // By hand: 2 x 2 pixels of 8 bits; a palette whose colours are not its indices.
  const auto bmp = [](const std::string& colours, const std::string& rows) {
    const auto offset = static_cast<char>(54 + colours.size());
    return "BM" + std::string(8, '\0') + offset + std::string(3, '\0') + std::string("\x28\0\0\0\2\0\0\0\2\0\0\0", 12) +
           std::string("\1\0\x8\0", 4) + std::string(16, '\0') + static_cast<char>(colours.size() / 4) +
           std::string(7, '\0') + colours + rows;
  };
  const std::string rows("\2\1\0\0\0\1\0\0", 8);  // the lower row first, each filled up to four bytes
  const auto expected = torch::tensor({{0, 1}, {2, 1}}, torch::kInt);
  spill(folder / "colours.bmp", bmp(std::string("\0\0\0\0\377\0\0\0\0\377\0\0", 12), rows));
  REQUIRE(torch::equal(read_label_image(folder / "colours.bmp"), expected));
  spill(folder / "greys.bmp", bmp(std::string("\0\0\0\0\200\200\200\0\377\377\377\0", 12), rows));
  REQUIRE(torch::equal(read_label_image(folder / "greys.bmp"), expected));
  if (!cv::haveImageWriter("a.webp")) PAM_SKIP("this OpenCV is built without WebP");
  REQUIRE(cv::imwrite((folder / "a.webp").string(), mat, {cv::IMWRITE_WEBP_QUALITY, 101}));  // lossless
  REQUIRE(torch::equal(read_image(folder / "a.webp"), pixels));
  REQUIRE(cv::imwrite((folder / "lossy.webp").string(), mat, {cv::IMWRITE_WEBP_QUALITY, 80}));
  REQUIRE(read_image(folder / "lossy.webp").sizes() == pixels.sizes());
  REQUIRE_THAT(why_labels(folder / "lossy.webp"), Contains("lossy WebP"));
  const auto webp = slurp(folder / "a.webp");
  spill(folder / "cut.webp", webp.substr(0, webp.size() / 2));
  REQUIRE_THAT(why_image(folder / "cut.webp"), Contains("cut.webp") && Contains("cut short"));
}

TEST_CASE("colour and JPEG labels are refused with the pixel and a remedy", "[images]") {
  const TempDir folder;
  auto rgb = torch::zeros({3, 4, 5}, torch::kByte);
  rgb[0][2][3] = 255;
  write_image(folder / "red.png", rgb);
  REQUIRE_THAT(why_labels(folder / "red.png"),
               Contains("red.png") && Contains("row 2, column 3") && Contains("(255, 0, 0)") && Contains("grey"));
  write_image(folder / "l.jpg", rgb);
  REQUIRE_THAT(why_labels(folder / "l.jpg"), Contains("l.jpg") && Contains("JPEG") && Contains("PNG"));
  write_image(folder / "f.tif", torch::rand({1, 2, 2}));
  REQUIRE_THAT(why_labels(folder / "f.tif"), Contains("f.tif") && Contains("floating-point numbers"));
  REQUIRE_THROWS_WITH(write_label_image(folder / "x.png", torch::full({2, 2}, -1)),
                      Contains("-1 … -1") && Contains("map"));
  REQUIRE_THROWS_WITH(write_label_image(folder / "x.jpg", torch::ones({2, 2}, torch::kLong)), Contains("JPEG"));
  REQUIRE_THROWS_WITH(write_label_image(folder / "x.png", torch::ones({2, 2})), Contains("integer (H, W)"));
}

TEST_CASE("pictures that cannot be written say why, and nothing is left behind", "[images]") {
  const TempDir folder;
  const auto path = folder / "a.png";
  REQUIRE_THROWS_WITH(write_image(path, torch::rand({3, 2, 2})), Contains("a.png") && Contains("0 … 255"));
  REQUIRE_THROWS_WITH(write_image(path, torch::zeros({4, 2, 2}, torch::kByte)), Contains("1 (grey) or 3 (RGB)"));
  REQUIRE_THROWS_WITH(write_image(path, torch::full({1, 2, 2}, 70000, torch::kInt)), Contains("70000"));
  REQUIRE_THROWS_WITH(write_image(path, torch::zeros({1, 2, 2}, torch::kLong)), Contains("uint8"));
  REQUIRE_THROWS_WITH(write_image(folder / "a.jpg", torch::zeros({1, 2, 2}, torch::kInt)),
                      Contains("JPEG holds 8 bits"));
  REQUIRE_THROWS_WITH(write_image(folder / "a.gif", torch::zeros({1, 2, 2}, torch::kByte)),
                      Contains(".png, .jpg or .tif"));
  REQUIRE_THROWS_WITH(write_image(folder / "none" / "a.png", torch::zeros({1, 2, 2}, torch::kByte)),
                      Contains("No such file"));
  REQUIRE(std::filesystem::is_empty(folder.path()));
}

TEST_CASE("files that are no picture, cut short or damaged are refused with the file's name", "[images]") {
  const TempDir folder;
  REQUIRE_THAT(why_image(folder / "none.png"), Contains("none.png") && Contains("no such file"));
  REQUIRE_THAT(why_image(folder.path()), Contains("folder or device"));
  spill(folder / "text.png", "hello");
  REQUIRE_THAT(why_image(folder / "text.png"), Contains("not a PNG, JPEG or TIFF"));
  spill(folder / "empty.png", "");
  REQUIRE_THAT(why_image(folder / "empty.png"), Contains("not a PNG, JPEG or TIFF"));
  const auto noise = torch::randint(0, 256, {3, 64, 64}, torch::kByte);
  for (const char* name : {"a.png", "a.jpg", "a.tif"}) {
    write_image(folder / name, noise);
    const auto whole = slurp(folder / name);
    REQUIRE(why_image(folder / name).empty());
    for (const double share : {0.05, 0.3, 0.7, 0.98}) {
      spill(folder / name, whole.substr(0, static_cast<std::size_t>(share * static_cast<double>(whole.size()))));
      CAPTURE(name, share);
      REQUIRE_THAT(why_image(folder / name), Contains(name) && (Contains("cut short") || Contains("damaged")));
    }
  }
}

TEST_CASE("headers that promise more pixels than the file can hold are refused before memory is taken", "[images]") {
  if (!python_has("zlib")) PAM_SKIP("Debian's python3 is absent");
  const TempDir folder;
  run_python(std::string(kPngWriter) + R"(
png('big.png', 30000, 30000, 8, 2, [[1, 2, 3]])
png('palette.png', 30000, 30000, 8, 3, [[1, 2, 3]], [[0, 0, 0]])
)",
             {folder.path().string()});
  REQUIRE_THAT(why_image(folder / "big.png"), Contains("30000 x 30000") && Contains("can hold"));
  REQUIRE_THAT(why_labels(folder / "palette.png"), Contains("30000 x 30000"));
  write_image(folder / "a.tif", torch::zeros({1, 8, 8}, torch::kByte));
  auto bytes = slurp(folder / "a.tif");
  for (std::size_t at = 0; at + 12 < bytes.size(); ++at) {  // ImageWidth and ImageLength become 60000
    const bool is_size = (bytes[at] == '\x00' || bytes[at] == '\x01') && bytes[at + 1] == '\x01' &&
                         bytes[at + 2] == '\x03' && bytes[at + 3] == 0;
    if (is_size) bytes[at + 8] = '\x60', bytes[at + 9] = '\xEA';
  }
  spill(folder / "a.tif", bytes);
  REQUIRE_THAT(why_image(folder / "a.tif"), Contains("60000 x 60000"));
}

TEST_CASE("a TIFF of several pages is refused rather than read in part", "[images]") {
  const TempDir folder;
  const cv::Mat page(4, 4, CV_8U, cv::Scalar(3));
  REQUIRE(cv::imwrite((folder / "stack.tif").string(), std::vector<cv::Mat>{page, page}));
  REQUIRE_THAT(why_image(folder / "stack.tif"), Contains("stack.tif") && Contains("several pages"));
}

TEST_CASE("no single-byte change of a picture crashes or takes much memory", "[images]") {
  const TempDir folder;
  std::mt19937 generator(7);
  rusage before{}, after{};
  getrusage(RUSAGE_SELF, &before);
  std::fflush(stderr);
  const int kept = dup(2), sink = open("/dev/null", O_WRONLY);
  dup2(sink, 2);  // the decoders' own words
  int refused = 0;
  for (const char* name : {"a.png", "a.jpg", "a.tif"}) {
    write_image(folder / name, torch::randint(0, 256, {3, 9, 9}, torch::kByte));
    const auto whole = slurp(folder / name);
    for (int attempt = 0; attempt < 400; ++attempt) {
      auto changed = whole;
      const auto position =
          attempt < 200 ? static_cast<std::size_t>(attempt) % whole.size() : generator() % whole.size();
      changed[position] = static_cast<char>(generator());
      spill(folder / name, changed);
      refused += why_image(folder / name).empty() ? 0 : 1;
      static_cast<void>(why_labels(folder / name));
    }
  }
  dup2(kept, 2);
  close(kept), close(sink);
  getrusage(RUSAGE_SELF, &after);
  REQUIRE(refused > 100);
  // kB. The address sanitizer keeps up to 256 MiB of freed blocks before it uses them again.
  REQUIRE(after.ru_maxrss - before.ru_maxrss < (kAddressSanitizer ? 128 + 256 : 128) * 1024);
}

TEST_CASE("shrinking an image takes the mean of the covered area; a constant stays constant", "[images]") {
  const auto image = torch::rand({3, 16, 24});
  const auto means = torch::avg_pool2d(image.unsqueeze(0), {4, 8}).squeeze(0);
  REQUIRE_THAT(resize_image(image, 4, 3), IsClose(means).atol(1e-6));
  REQUIRE_THAT(resize_image(torch::full({1, 7, 5}, 3.5), 3, 9), IsClose(torch::full({1, 3, 9}, 3.5)).atol(1e-6));
  const auto bytes = torch::randint(0, 256, {3, 8, 8}, torch::kByte);
  const auto expected = torch::avg_pool2d(bytes.to(torch::kFloat).unsqueeze(0), 2).squeeze(0);
  REQUIRE(resize_image(bytes, 4, 4).scalar_type() == torch::kByte);
  REQUIRE_THAT(resize_image(bytes, 4, 4), IsClose(expected).atol(0.5 + 1e-4));  // rounding
  const auto deep = torch::full({1, 4, 4}, 60001, torch::kInt);
  REQUIRE(torch::equal(resize_image(deep, 2, 2), torch::full({1, 2, 2}, 60001, torch::kInt)));
  REQUIRE_THROWS_WITH(resize_image(torch::rand({4, 4}), 2, 2), Contains("(C, H, W)"));
  REQUIRE_THROWS_WITH(resize_image(image, 0, 2), Contains("0 x 2"));
}

TEST_CASE("growing an image is bilinear with aligned pixel centres, as LibTorch's", "[images]") {
  const auto image = torch::rand({2, 5, 7});
  namespace F = torch::nn::functional;
  const auto options =
      F::InterpolateFuncOptions().size(std::vector<std::int64_t>{11, 20}).mode(torch::kBilinear).align_corners(false);
  // OpenCV's bilinear weights are float32 too, in another order.
  REQUIRE_THAT(resize_image(image, 11, 20), IsClose(F::interpolate(image.unsqueeze(0), options).squeeze(0)).atol(1e-5));
}

TEST_CASE("labels are resized to the nearest pixel centre, without new values", "[images]") {
  const auto labels = torch::arange(64, torch::kLong).view({8, 8});
  // Centres of 4x4 blocks lie between pixels 1 and 2 of four; the later one counts.
  REQUIRE(torch::equal(resize_labels(labels, 2, 2), torch::tensor({18, 22, 50, 54}, torch::kLong).view({2, 2})));
  const auto grown = resize_labels(labels, 24, 16);
  REQUIRE(torch::equal(grown, labels.repeat_interleave(3, 0).repeat_interleave(2, 1)));
  REQUIRE(torch::equal(resize_labels(grown, 8, 8), labels));
  REQUIRE(torch::equal(resize_labels(labels.expand({2, 8, 8}), 2, 2)[1], resize_labels(labels, 2, 2)));
  REQUIRE_THROWS_WITH(resize_labels(labels[0], 2, 2), Contains("(…, H, W)"));
}

TEST_CASE("real CamVid pictures and labels are read as the classes 0 to 11", "[images]") {
  const auto folder = shared_dir() / "data" / "camvid_256x128";
  if (shared_dir().empty() || !std::filesystem::is_directory(folder)) PAM_SKIP("the developers' shared/data is absent");
  int seen = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder / "val")) {
    const auto image = read_image(entry.path());
    const auto labels = read_label_image(folder / "valannot" / entry.path().filename());
    REQUIRE(image.sizes() == torch::IntArrayRef({3, 128, 256}));
    REQUIRE(labels.sizes() == torch::IntArrayRef({128, 256}));
    REQUIRE((labels.min().item<int>() >= 0 && labels.max().item<int>() <= 11));
    if (++seen == 5) break;
  }
  REQUIRE(seen == 5);
}

}  // namespace images_image_test
