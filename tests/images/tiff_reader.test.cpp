// SPDX-License-Identifier: MIT
#include <pam/images/detail/tiff_reader.hpp>
#include <pam/images/image.hpp>
#include <pam/images/image_labels.hpp>

#include "support/catch.hpp"
#include "support/files.hpp"
#include "support/python.hpp"

#include <opencv2/imgcodecs.hpp>

namespace images_tiff_reader_test {
using namespace pam;
using namespace pam::test;
using Catch::Contains;

/// A TIFF writer that knows struct and zlib and nothing of pam: strips or tiles, classic or BigTIFF, either byte order.
const char* const kTiffWriter = R"(
import struct, sys, zlib
def tiff(path, rows, code, fmt=1, photometric=1, big=False, order='<', tile=None, deflate=False, orientation=1,
         colours=None, rows_per_strip=2, compression=None):
    size, height, width = struct.calcsize(code), len(rows), len(rows[0])
    def line(values): return struct.pack(order + str(len(values)) + code, *values)
    blocks = []
    if tile:
        for top in range(0, height, tile):
            for left in range(0, width, tile):
                part = [(rows[y] if y < height else [0] * width)[left:left + tile] for y in range(top, top + tile)]
                blocks.append(b''.join(line(list(p) + [0] * (tile - len(p))) for p in part))
    else:
        for top in range(0, height, rows_per_strip):
            blocks.append(b''.join(line(r) for r in rows[top:top + rows_per_strip]))
    if deflate: blocks = [zlib.compress(b) for b in blocks]
    entries = {256: (4, [width]), 257: (4, [height]), 258: (3, [8 * size]), 262: (3, [photometric]), 277: (3, [1]),
               259: (3, [compression or (8 if deflate else 1)]), 274: (3, [orientation]), 339: (3, [fmt])}
    if tile: entries.update({322: (4, [tile]), 323: (4, [tile])})
    else: entries[278] = (4, [rows_per_strip])
    if colours: entries[320] = (3, colours)
    entries[324 if tile else 273] = (4, [0] * len(blocks))
    entries[325 if tile else 279] = (4, [len(b) for b in blocks])
    head = 16 if big else 8
    directory = head + (8 if big else 2) + (20 if big else 12) * len(entries) + (8 if big else 4)
    extra, offset = b'', directory
    def room(values, kind):
        nonlocal extra
        data = struct.pack(order + str(len(values)) + ('H' if kind == 3 else 'I'), *values)
        if len(data) <= (8 if big else 4): return data.ljust(8 if big else 4, b'\0')
        at = directory + len(extra); extra += data
        return struct.pack(order + ('Q' if big else 'I'), at)
    for attempt in range(2):  # the offsets are known once the sizes of all else are
        extra, body = b'', b''
        for tag in sorted(entries):
            kind, values = entries[tag]
            body += struct.pack(order + ('HHQ' if big else 'HHI'), tag, kind, len(values)) + room(values, kind)
        at, places = directory + len(extra), []
        for b in blocks: places.append(at); at += len(b)
        entries[324 if tile else 273] = (4, places)
    start = (b'II' if order == '<' else b'MM') + (struct.pack(order + 'HHHQ', 43, 8, 0, 16) if big
                                                   else struct.pack(order + 'HI', 42, 8))
    count = struct.pack(order + ('Q' if big else 'H'), len(entries))
    end = struct.pack(order + ('Q' if big else 'I'), 0)
    open(sys.argv[1] + '/' + path, 'wb').write(start + count + body + end + extra + b''.join(blocks))
rows = [[(5 * y + x) % 7 for x in range(5)] for y in range(3)]
)";

torch::Tensor expected_rows() {
  const auto y = torch::arange(3, torch::kInt).unsqueeze(1), x = torch::arange(5, torch::kInt).unsqueeze(0);
  return (5 * y + x).remainder(7);
}

std::string why(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

TEST_CASE("label TIFFs of every integer type, of tiles, palettes and BigTIFF give the numbers that are stored",
          "[images]") {
  if (!python_has("zlib")) PAM_SKIP("Debian's python3 is absent");
  const TempDir folder;
  run_python(std::string(kTiffWriter) + R"(
for code, fmt in (('b', 2), ('B', 1), ('h', 2), ('H', 1), ('i', 2), ('I', 1)):
    for big in (False, True):
        for order in '<>':
            for tile in (None, 16):
                for deflate in (False, True):
                    name = f"{code}{fmt}_{'big' if big else 'classic'}_{'le' if order == '<' else 'be'}_{tile}_{deflate}.tif"
                    tiff(name, rows, code if fmt == 1 else code, fmt, big=big, order=order, tile=tile, deflate=deflate)
tiff('palette.tif', rows, 'B', photometric=3, colours=[i * 257 for i in range(256)] * 3)
)",
             {folder.path().string()});
  int read = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder.path())) {
    CAPTURE(entry.path().filename());
    REQUIRE(torch::equal(read_label_image(entry.path()), expected_rows()));
    ++read;
  }
  REQUIRE(read == 6 * 16 + 1);
}

TEST_CASE("negative and large labels of a TIFF are kept, larger ones refused", "[images]") {
  if (!python_has("zlib")) PAM_SKIP("Debian's python3 is absent");
  const TempDir folder;
  run_python(std::string(kTiffWriter) + R"(
tiff('signed.tif', [[-1, 3]], 'h', 2)
tiff('large.tif', [[70000, 3]], 'I')
tiff('larger.tif', [[3000000000, 3]], 'I')
)",
             {folder.path().string()});
  REQUIRE(torch::equal(read_label_image(folder / "signed.tif"), torch::tensor({{-1, 3}}, torch::kInt)));
  REQUIRE(torch::equal(read_label_image(folder / "large.tif"), torch::tensor({{70000, 3}}, torch::kInt)));
  REQUIRE_THAT(why([&] { static_cast<void>(read_label_image(folder / "larger.tif")); }),
               Contains("larger.tif") && Contains("3000000000"));
}

TEST_CASE("pictures in tiles, BigTIFF, palettes and turned TIFFs are read, others refused with their reason",
          "[images]") {
  if (!python_has("zlib")) PAM_SKIP("Debian's python3 is absent");
  const TempDir folder;
  run_python(std::string(kTiffWriter) + R"(
tiff('tiles.tif', rows, 'B', tile=16)
tiff('big.tif', rows, 'H', big=True)
tiff('white.tif', rows, 'B', photometric=0, big=True)
tiff('turned.tif', rows, 'B', orientation=6)
tiff('real.tif', [[0.5, -2.0]], 'f', 3, big=True)
tiff('palette.tif', [[0, 2]], 'B', photometric=3, big=True,
     colours=[0, 0, 0x1000] + [0] * 253 + [0, 0, 0x2000] + [0] * 253 + [0, 0, 0xFF00] + [0] * 253)
tiff('signed.tif', rows, 'h', 2)
tiff('jpeg.tif', rows, 'B', big=True, compression=7)
tiff('cut.tif', rows, 'B', big=True)
whole = open(sys.argv[1] + '/cut.tif', 'rb').read()
open(sys.argv[1] + '/cut.tif', 'wb').write(whole[:-4])
)",
             {folder.path().string()});
  const auto rows = expected_rows().unsqueeze(0);
  REQUIRE(torch::equal(read_image(folder / "tiles.tif"), rows.to(torch::kByte)));
  REQUIRE(torch::equal(read_image(folder / "big.tif"), rows));
  REQUIRE(torch::equal(read_image(folder / "white.tif"), (255 - rows).to(torch::kByte)));
  REQUIRE(torch::equal(read_image(folder / "turned.tif"), torch::rot90(rows, -1, {1, 2}).to(torch::kByte)));
  REQUIRE(torch::equal(read_image(folder / "real.tif"), torch::tensor({{{0.5F, -2.0F}}})));
  REQUIRE(torch::equal(read_image(folder / "palette.tif"),
                       torch::tensor({0, 0x10, 0, 0x20, 0, 0xFF}, torch::kByte).view({3, 1, 2})));
  const auto reason = [&](const char* name) { return why([&] { static_cast<void>(read_image(folder / name)); }); };
  CHECK_THAT(reason("signed.tif"), Contains("signed.tif") && Contains("16-bit signed integers"));
  CHECK_THAT(reason("jpeg.tif"), Contains("jpeg.tif") && Contains("BigTIFF") && Contains("compression 7"));
  CHECK_THAT(reason("cut.tif"), Contains("cut.tif") && Contains("cut short"));
}

TEST_CASE("LZW, PackBits and Deflate with differences are unpacked as libtiff packs them", "[images]") {
  const TempDir folder;
  constexpr int kLzw = 5, kDeflate = 8, kPackBits = 32773;
  for (const int compression : {kLzw, kDeflate, kPackBits}) {
    for (const bool noisy : {true, false}) {
      for (const int type : {CV_8UC1, CV_8UC3, CV_16UC1}) {
        CAPTURE(compression, noisy, type);
        // Noise fills the table of LZW and clears it again; a constant makes its longest strings.
        cv::Mat mat(70, 130, type, cv::Scalar::all(7));
        if (noisy) cv::randu(mat, cv::Scalar::all(0), cv::Scalar::all(256));
        const auto path = folder / "a.tif";
        REQUIRE(cv::imwrite(path.string(), mat, {cv::IMWRITE_TIFF_COMPRESSION, compression}));
        const pam::detail::PictureBytes bytes(path);
        const auto facts = pam::detail::picture_facts(bytes);
        REQUIRE(facts.tiff.compression == compression);
        const auto decoded = pam::detail::decode_picture(bytes, facts);
        REQUIRE(torch::equal(pam::detail::read_tiff_numbers(bytes, facts),
                             pam::detail::to_planes("a.tif", decoded, decoded.channels())));
      }
    }
  }
}

}  // namespace images_tiff_reader_test
