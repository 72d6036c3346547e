// SPDX-License-Identifier: MIT
#include <pam/images/nifti.hpp>

#include "support/catch.hpp"
#include "support/files.hpp"
#include "support/python.hpp"
#include "support/tensor_matchers.hpp"

#include <chrono>
#include <fstream>
#include <random>

#include <sys/resource.h>

namespace images_nifti_test {
using namespace pam;
using namespace pam::test;
using Catch::Contains;

/// A header as the standard says, written by hand: the tests' own writer, which shares no code with pam.
struct RawNifti {
  nifti_1_header header{};
  std::string voxels;

  RawNifti(std::vector<short> dims, short datatype, short bits, std::string bytes) : voxels(std::move(bytes)) {
    header.sizeof_hdr = 348;
    header.dim[0] = static_cast<short>(dims.size());
    for (std::size_t i = 0; i < 7; ++i) header.dim[i + 1] = i < dims.size() ? dims[i] : short{1};
    header.datatype = datatype;
    header.bitpix = bits;
    for (auto& length : header.pixdim) length = 1;
    header.vox_offset = 352;
    std::memcpy(header.magic, "n+1", 4);
  }
  [[nodiscard]] std::string bytes() const {
    return std::string(reinterpret_cast<const char*>(&header), 348) + std::string(4, '\0') + voxels;
  }
  void save(const std::filesystem::path& path) const { std::ofstream(path, std::ios::binary) << bytes(); }
};

RawNifti small_volume() { return {{2, 3, 4}, NIFTI_TYPE_INT16, 16, std::string(48, '\1')}; }

std::string read_bytes(const std::filesystem::path& path) {
  std::ostringstream content;
  content << std::ifstream(path, std::ios::binary).rdbuf();
  return content.str();
}

std::string gzip(const std::string& content) {
  std::ostringstream packed;
  pam::detail::NiftiOutput output(packed, 6);
  output.write(content.data(), static_cast<std::int64_t>(content.size()));
  output.finish();
  return packed.str();
}

void save(const std::filesystem::path& path, const std::string& content) {
  std::ofstream(path, std::ios::binary) << content;
}

/// The message with which reading fails; "" where it does not.
std::string why(const std::filesystem::path& path) {
  try {
    static_cast<void>(read_nifti(path));
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

NiftiGeometry oblique() {
  auto geometry = geometry_of({{{-0.9, 0.1, 0.02, 12.5}, {0.11, 0.8, 0.3, -7.25}, {0.03, -0.2, 2.5, 3}}});
  geometry.qform_code = 2;
  geometry.qform = {0.1F, 0.2F, 0.3F, 4, 5, 6};
  geometry.qfac = -1;
  geometry.time_step = 1.5F;
  geometry.time_units = NIFTI_UNITS_SEC;
  return geometry;
}

TEST_CASE("a NIfTI volume comes back as it was written, bit for bit, in every type", "[images]") {
  const TempDir folder;
  const auto geometry = oblique();
  for (const auto dtype :
       {torch::kByte, torch::kChar, torch::kShort, torch::kInt, torch::kLong, torch::kFloat, torch::kDouble}) {
    for (const char* name : {"a.nii", "a.nii.gz", "A.NII.GZ"}) {
      for (const auto& shape : {std::vector<std::int64_t>{5, 4, 3}, {1, 7, 2}, {3, 5, 4, 3}}) {
        const auto voxels = (torch::randn(shape) * 50).to(dtype);
        write_nifti(folder / name, voxels, geometry);
        const auto image = read_nifti(folder / name);
        CAPTURE(name, shape, c10::toString(dtype));
        REQUIRE(image.voxels.scalar_type() == dtype);
        REQUIRE(torch::equal(image.voxels, voxels));
        REQUIRE(image.sform == geometry.sform);
        REQUIRE(image.qform == geometry.qform);
        REQUIRE((image.sform_code == 1 && image.qform_code == 2 && image.qfac == -1 && image.time_step == 1.5F));
        // The header holds float32: seven digits.
        for (std::size_t i = 0; i < 3; ++i) REQUIRE(image.spacing[i] == Approx(geometry.spacing[i]).epsilon(1e-6));
        REQUIRE(image.affine[1][2] == Approx(0.3).epsilon(1e-6));
      }
    }
  }
}

TEST_CASE("writing a read volume again changes nothing, and no time stamp enters the file", "[images]") {
  const TempDir folder;
  write_nifti(folder / "a.nii.gz", torch::randint(-99, 99, {4, 5, 6}, torch::kShort), oblique());
  write_nifti(folder / "b.nii.gz", read_nifti(folder / "a.nii.gz"));
  REQUIRE(read_bytes(folder / "a.nii.gz") == read_bytes(folder / "b.nii.gz"));
}

TEST_CASE("a large volume is compressed by blocks: one gzip stream, the same on any number of threads", "[images]") {
  const TempDir folder;
  torch::manual_seed(1);
  // 5 MiB: smooth enough that matches across the ends of blocks matter, rough enough that it does not vanish.
  const auto volume = torch::arange(5 * 1024 * 512).remainder(9973).add(torch::randint(0, 4, {5 * 1024 * 512}));
  const auto voxels = volume.to(torch::kShort).view({5, 1024, 512});
  const int threads = at::get_num_threads();
  for (const int count : {1, 3}) {
    at::set_num_threads(count);
    write_nifti(folder / fmt::format("{}.nii.gz", count), voxels);
  }
  at::set_num_threads(threads);
  const auto packed = read_bytes(folder / "1.nii.gz");
  REQUIRE(packed == read_bytes(folder / "3.nii.gz"));
  REQUIRE(torch::equal(read_nifti(folder / "3.nii.gz").voxels, voxels));
  // zlib: one member, whose checksum and length are right, and the end of the file behind it.
  std::string plain(voxels.nbytes() + 352 + 1, '\0');
  z_stream stream{};
  REQUIRE(inflateInit2(&stream, 15 + 16) == Z_OK);
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(packed.data()));
  stream.avail_in = static_cast<uInt>(packed.size());
  stream.next_out = reinterpret_cast<Bytef*>(plain.data()), stream.avail_out = static_cast<uInt>(plain.size());
  const int ended = inflate(&stream, Z_FINISH);
  inflateEnd(&stream);
  REQUIRE(ended == Z_STREAM_END);
  REQUIRE(stream.total_out == voxels.nbytes() + 352);
  REQUIRE(stream.avail_in == 0);
  // Not larger than zlib's stream without blocks by more than a thousandth, and the ends of five blocks.
  uLongf size = compressBound(static_cast<uLong>(voxels.nbytes()));
  std::string whole(size, '\0');
  REQUIRE(compress2(reinterpret_cast<Bytef*>(whole.data()), &size, static_cast<const Bytef*>(voxels.data_ptr()),
                    static_cast<uLong>(voxels.nbytes()), 6) == Z_OK);
  REQUIRE(packed.size() < size + size / 1000 + 1000);
}

TEST_CASE("types that NIfTI lacks are written as the next type that holds them", "[images]") {
  const TempDir folder;
  write_nifti(folder / "a.nii", torch::ones({2, 2, 2}, torch::kBool));
  REQUIRE(read_nifti(folder / "a.nii").voxels.scalar_type() == torch::kByte);
  write_nifti(folder / "a.nii", torch::full({2, 2, 2}, 0.1, torch::kHalf));
  REQUIRE(
      torch::equal(read_nifti(folder / "a.nii").voxels, torch::full({2, 2, 2}, 0.1, torch::kHalf).to(torch::kFloat)));
  REQUIRE_THROWS_WITH(write_nifti(folder / "b.nii", torch::zeros({2, 2, 2}, torch::kComplexFloat)),
                      Contains("b.nii") && Contains("no type for") && Contains("convert"));
  REQUIRE_THROWS_WITH(write_nifti(folder / "b.nii", torch::zeros({2, 2})), Contains("(Z, Y, X)") && Contains("[2, 2]"));
  REQUIRE_THROWS_WITH(write_nifti(folder / "b.nii", torch::zeros({1, 1, 40000})), Contains("32767"));
  REQUIRE_THROWS_WITH(write_nifti(folder / "b.mgz", torch::zeros({1, 1, 4})), Contains(".nii or .nii.gz"));
  REQUIRE_THROWS_WITH(write_nifti(folder / "none" / "b.nii", torch::zeros({1, 1, 4})),
                      Contains("b.nii") && Contains("No such file"));
  REQUIRE_FALSE(std::filesystem::exists(folder / "b.nii"));
}

TEST_CASE("a full disk while writing a volume is an error, and nothing is left behind", "[images]") {
  const TempDir folder;
  rlimit old{};
  getrlimit(RLIMIT_FSIZE, &old);
  const auto handler = signal(SIGXFSZ, SIG_IGN);
  const rlimit tight{4096, old.rlim_max};
  setrlimit(RLIMIT_FSIZE, &tight);
  std::string message;
  try {
    write_nifti(folder / "a.nii", torch::zeros({32, 32, 32}));
  } catch (const Error& error) {
    message = error.what();
  }
  setrlimit(RLIMIT_FSIZE, &old);
  signal(SIGXFSZ, handler);
  REQUIRE_THAT(message, Contains("a.nii") && Contains("File too large"));
  REQUIRE(std::filesystem::is_empty(folder.path()));
}

TEST_CASE("an independent writer's NIfTI files are read: every type, both byte orders, scaling", "[images]") {
  if (!python_has("numpy")) PAM_SKIP("Debian's python3-numpy is absent");
  const TempDir folder;
  // struct and numpy alone: dims x=4, y=3, z=2; value = a pattern that reaches both ends of each type.
  run_python(R"(
import struct, gzip, sys, numpy as np
codes = {'u1':2,'i1':256,'u2':512,'i2':4,'u4':768,'i4':8,'u8':1280,'i8':1024,'f4':16,'f8':64}
def header(order, dims, code, bits, slope=0.0, inter=0.0, offset=352.0):
    h = bytearray(348)
    struct.pack_into(order+'i', h, 0, 348)
    struct.pack_into(order+'8h', h, 40, *([len(dims)] + list(dims) + [1]*(7-len(dims))))
    struct.pack_into(order+'hh', h, 70, code, bits)
    struct.pack_into(order+'8f', h, 76, -1, 2, 3, 4, 0, 0, 0, 0)
    struct.pack_into(order+'fff', h, 108, offset, slope, inter)
    h[344:348] = b'n+1\0'
    return bytes(h)
def values(kind):
    t = np.dtype(kind)
    if t.kind == 'f':
        return np.linspace(-3.5, 1e30, 24).astype(t)
    info = np.iinfo(t)
    v = np.arange(24).astype(t); v[0] = info.min; v[1] = info.max
    return v
for kind, code in codes.items():
    for order in '<>':
        v = values(kind)
        data = header(order, (4,3,2), code, v.dtype.itemsize*8) + b'\0'*4 + v.astype(v.dtype.newbyteorder(order)).tobytes()
        name = sys.argv[1] + '/' + kind + ('le' if order == '<' else 'be')
        open(name + '.nii', 'wb').write(data)
        gzip.open(name + '.nii.gz', 'wb').write(data)
v = np.arange(24).astype('<i2')
open(sys.argv[1] + '/scaled.nii', 'wb').write(header('<', (4,3,2), 4, 16, 0.1, -5) + b'\0'*4 + v.tobytes())
open(sys.argv[1] + '/nanslope.nii', 'wb').write(header('<', (4,3,2), 4, 16, float('nan'), -5) + b'\0'*4 + v.tobytes())
open(sys.argv[1] + '/scaled32.nii', 'wb').write(header('>', (4,3,2), 8, 32, 0.1, -5) + b'\0'*4 + v.astype('>i4').tobytes())
open(sys.argv[1] + '/extended.nii', 'wb').write(header('<', (4,3,2), 4, 16, offset=416.0) + b'\1\0\0\0' + b'x'*64 + v.tobytes())
open(sys.argv[1] + '/nooffset.nii', 'wb').write(header('<', (4,3,2), 4, 16, offset=0.0) + b'\0'*4 + v.tobytes())
open(sys.argv[1] + '/flat.nii', 'wb').write(header('<', (6,4), 4, 16) + b'\0'*4 + v.tobytes())
open(sys.argv[1] + '/five.nii', 'wb').write(header('<', (4,3,1,1,2), 4, 16) + b'\0'*4 + v.tobytes())
open(sys.argv[1] + '/trailing.nii', 'wb').write(header('<', (4,3,2,1,1), 4, 16) + b'\0'*4 + v.tobytes())
# binary128: 1.5, -2, 0, infinity, pi to 53 bits
q = b''.join(((s << 127) | (e << 112) | f).to_bytes(16, 'big') for s, e, f in
             [(0, 16383, 1 << 111), (1, 16384, 0), (0, 0, 0), (0, 32767, 0), (0, 16384, 0x921fb54442d18 << 60)])
open(sys.argv[1] + '/quad.nii', 'wb').write(header('>', (5,1,1), 1536, 128) + b'\0'*4 + q)
)",
             {folder.path().string()});

  const auto expect = [](const std::string& kind) {
    using limits = std::numeric_limits<std::int64_t>;
    const std::map<std::string, std::pair<std::int64_t, std::int64_t>> ends{{"u1", {0, 255}},
                                                                            {"i1", {-128, 127}},
                                                                            {"u2", {0, 65535}},
                                                                            {"i2", {-32768, 32767}},
                                                                            {"u4", {0, 4294967295}},
                                                                            {"i4", {-2147483648, 2147483647}},
                                                                            {"i8", {limits::min(), limits::max()}}};
    auto values = torch::arange(24, torch::kLong);
    values[0] = ends.at(kind).first;
    values[1] = ends.at(kind).second;
    return values.view({2, 3, 4});
  };
  for (const std::string order : {"le", "be"}) {
    for (const std::string end : {".nii", ".nii.gz"}) {
      for (const std::string kind : {"u1", "i1", "u2", "i2", "u4", "i4", "i8"}) {
        CAPTURE(kind, order, end);
        REQUIRE(torch::equal(read_nifti(folder / (kind + order + end)).voxels.to(torch::kLong), expect(kind)));
      }
      auto reals = torch::linspace(-3.5, 1e30, 24, torch::kDouble).view({2, 3, 4});
      // float32 rounds once; linspace of numpy and of torch differ in the last bit.
      REQUIRE_THAT(read_nifti(folder / ("f4" + order + end)).voxels, IsClose(reals).rtol(1e-6));
      REQUIRE_THAT(read_nifti(folder / ("f8" + order + end)).voxels, IsClose(reals).rtol(1e-14));
      const auto huge = read_nifti(folder / ("u8" + order + end)).voxels;
      REQUIRE(huge.scalar_type() == torch::kDouble);
      REQUIRE(huge[0][0][1].item<double>() == 18446744073709551615.0);
    }
  }
  const auto counts = torch::arange(24, torch::kDouble).view({2, 3, 4});
  const auto scaled = read_nifti(folder / "scaled.nii");
  REQUIRE(scaled.voxels.scalar_type() == torch::kFloat);
  REQUIRE_THAT(scaled.voxels, IsClose(counts * 0.1 - 5).atol(1e-6));  // the slope 0.1 is a float32 in the header
  REQUIRE(read_nifti(folder / "scaled32.nii").voxels.scalar_type() == torch::kDouble);
  REQUIRE(torch::equal(read_nifti(folder / "nanslope.nii").voxels.to(torch::kDouble), counts));
  REQUIRE(torch::equal(read_nifti(folder / "extended.nii").voxels.to(torch::kDouble), counts));
  REQUIRE(torch::equal(read_nifti(folder / "nooffset.nii").voxels.to(torch::kDouble), counts));
  REQUIRE(torch::equal(read_nifti(folder / "flat.nii").voxels.to(torch::kDouble), counts.view({1, 4, 6})));
  REQUIRE(torch::equal(read_nifti(folder / "five.nii").voxels.to(torch::kDouble), counts.view({2, 1, 3, 4})));
  REQUIRE(torch::equal(read_nifti(folder / "trailing.nii").voxels.to(torch::kDouble), counts));
  REQUIRE(read_nifti(folder / "scaled.nii").spacing == std::array<double, 3>{4, 3, 2});
  const auto quads = read_nifti(folder / "quad.nii").voxels.view({-1});
  REQUIRE(torch::equal(quads,
                       torch::tensor({1.5, -2.0, 0.0, std::numeric_limits<double>::infinity(), M_PI}, torch::kDouble)));
}

TEST_CASE("an independent reader finds what pam wrote", "[images]") {
  if (!python_has("numpy")) PAM_SKIP("Debian's python3-numpy is absent");
  const TempDir folder;
  write_nifti(folder / "a.nii.gz", torch::arange(24, torch::kShort).view({2, 3, 4}), oblique());
  run_python(R"(
import struct, gzip, sys, numpy as np
b = gzip.open(sys.argv[1]).read()
assert len(b) == 352 + 48 and b[344:348] == b'n+1\0'
assert struct.unpack_from('<i', b, 0)[0] == 348
assert struct.unpack_from('<5h', b, 40) == (3, 4, 3, 2, 1), struct.unpack_from('<5h', b, 40)
assert struct.unpack_from('<hh', b, 70) == (4, 16)
assert struct.unpack_from('<fff', b, 108) == (352.0, 1.0, 0.0)
assert struct.unpack_from('<hh', b, 252) == (2, 1)
assert b[123] == 2 + 8
assert np.allclose(struct.unpack_from('<12f', b, 280), [-0.9, 0.1, 0.02, 12.5, 0.11, 0.8, 0.3, -7.25, 0.03, -0.2, 2.5, 3])
assert (np.frombuffer(b, '<i2', offset=352) == np.arange(24)).all()
)",
             {(folder / "a.nii.gz").string()});
}

TEST_CASE("affines, orientations and voxels agree with nibabel", "[images]") {
  if (!python_has("nibabel")) PAM_SKIP("Debian's python3-nibabel is absent");
  const TempDir folder;
  run_python(R"(
import nibabel as nib, numpy as np, sys
rng = np.random.default_rng(5)
for i in range(6):
    # A random order and direction of the axes, turned by up to about 20 degrees: every version of nibabel agrees then.
    q = np.eye(3)[rng.permutation(3)] * rng.choice([-1, 1], 3)
    q, r = np.linalg.qr(q + rng.normal(size=(3, 3)) * 0.12); q = q * np.sign(np.diag(r))
    a = np.eye(4); a[:3, :3] = q * rng.uniform(0.5, 3, 3); a[:3, 3] = rng.normal(size=3) * 50
    image = nib.Nifti1Image(rng.normal(size=(3, 4, 5)).astype('f4'), a)
    if i % 2: image.set_sform(None, 0); image.set_qform(a, 1)   # qform only, as the open MS data has
    nib.save(image, f'{sys.argv[1]}/{i}.nii.gz')
    image = nib.load(f'{sys.argv[1]}/{i}.nii.gz')
    with open(f'{sys.argv[1]}/{i}.txt', 'w') as f:
        print(''.join(nib.aff2axcodes(image.affine)), *image.affine[:3].ravel(), *image.header.get_zooms(), float(image.get_fdata()[2, 1, 3]), file=f)
)",
             {folder.path().string()});
  for (int i = 0; i < 6; ++i) {
    std::ifstream expected(folder / (std::to_string(i) + ".txt"));
    const auto image = read_nifti(folder / (std::to_string(i) + ".nii.gz"));
    std::string code;
    expected >> code;
    CAPTURE(i, code);
    REQUIRE(orientation(image.affine) == code);
    double value = 0;
    // nibabel rebuilds a qform in double from the float32 quaternion, niftiio too but rounds to float32: offsets to
    // 150.
    for (const auto& row : image.affine) {
      for (const double entry : row) REQUIRE((expected >> value && entry == Approx(value).margin(2e-5)));
    }
    for (std::size_t axis = 0; axis < 3; ++axis) {
      REQUIRE((expected >> value && image.spacing[2 - axis] == Approx(value).epsilon(1e-6)));
    }
    REQUIRE((expected >> value && image.voxels[3][1][2].item<float>() == Approx(value)));
    REQUIRE(left_right_axis(image.affine).dimension == 2 - static_cast<std::int64_t>(code.find_first_of("LR")));
  }
}

TEST_CASE("without sform and qform the spacing alone is the affine; metres and micrometres become millimetres",
          "[images]") {
  const TempDir folder;
  auto raw = small_volume();
  raw.header.pixdim[1] = -2, raw.header.pixdim[2] = 3, raw.header.pixdim[3] = 4;
  raw.save(folder / "a.nii");
  auto image = read_nifti(folder / "a.nii");
  REQUIRE(image.affine == Affine{{{2, 0, 0, 0}, {0, 3, 0, 0}, {0, 0, 4, 0}}});
  REQUIRE(image.spacing == std::array<double, 3>{4, 3, 2});
  REQUIRE(orientation(image.affine) == "RAS");

  raw.header.xyzt_units = NIFTI_UNITS_MICRON;
  raw.header.sform_code = 1;
  raw.header.srow_x[0] = -2000, raw.header.srow_y[1] = 3000, raw.header.srow_z[2] = 4000, raw.header.srow_x[3] = 500;
  raw.header.pixdim[1] = 2000, raw.header.pixdim[2] = 3000, raw.header.pixdim[3] = 0;
  raw.save(folder / "a.nii");
  image = read_nifti(folder / "a.nii");
  REQUIRE(image.affine[0][0] == Approx(-2));
  REQUIRE(image.affine[0][3] == Approx(0.5));
  REQUIRE(image.spacing[2] == Approx(2));
  REQUIRE(image.spacing[0] == Approx(4));  // pixdim[3] is 0, so the affine's column says it
  REQUIRE(orientation(image.affine) == "LAS");
  REQUIRE_FALSE(left_right_axis(image.affine).starts_left);
  const auto world = to_world(image.affine, 1, 1, 1);
  REQUIRE(world[0] == Approx(-1.5));
  const auto back = inverse_affine(image.affine);
  REQUIRE(to_world(back, world[0], world[1], world[2])[0] == Approx(1));
  std::array<std::int64_t, 3> size{};
  REQUIRE(read_nifti_geometry(folder / "a.nii", &size).spacing == image.spacing);
  REQUIRE(size == std::array<std::int64_t, 3>{4, 3, 2});

  // What is written on the grid of an input has the input's own unit and numbers, for readers that ignore units. The
  // way through float32 mm and back costs two roundings, 1.2e-7 of the value.
  write_nifti(folder / "b.nii", image.voxels, image);
  nifti_1_header header{};
  std::ifstream(folder / "b.nii", std::ios::binary).read(reinterpret_cast<char*>(&header), sizeof(header));
  REQUIRE(XYZT_TO_SPACE(header.xyzt_units) == NIFTI_UNITS_MICRON);
  REQUIRE(header.srow_x[0] == Approx(-2000).epsilon(2e-7));
  REQUIRE(header.srow_x[3] == Approx(500).epsilon(2e-7));
  REQUIRE(header.pixdim[2] == Approx(3000).epsilon(2e-7));
  REQUIRE(read_nifti(folder / "b.nii").affine[0][0] == Approx(-2));
}

TEST_CASE("damaged NIfTI headers are refused by field, with the file's name", "[images]") {
  const TempDir folder;
  const auto path = folder / "bad.nii";
  const auto message = [&](const std::function<void(nifti_1_header&)>& damage) {
    auto raw = small_volume();
    damage(raw.header);
    raw.save(path);
    const auto text = why(path);
    REQUIRE_THAT(text, Contains("bad.nii"));
    return text;
  };
  using H = nifti_1_header;
  REQUIRE_THAT(message([](H& h) { h.sizeof_hdr = 12; }), Contains("not a NIfTI file") && Contains("12"));
  REQUIRE_THAT(message([](H& h) { h.sizeof_hdr = 540; }), Contains("NIfTI-2"));
  REQUIRE_THAT(message([](H& h) { std::memcpy(h.magic, "ni1", 4); }), Contains(".hdr/.img"));
  REQUIRE_THAT(message([](H& h) { std::memset(h.magic, 0, 4); }), Contains("Analyze"));
  REQUIRE_THAT(message([](H& h) { h.dim[0] = 0; }), Contains("dim[0] is 0"));
  REQUIRE_THAT(message([](H& h) { h.dim[0] = 9; }), Contains("dim[0] is 9"));
  REQUIRE_THAT(message([](H& h) { h.dim[2] = -5; }), Contains("dim[2] is -5"));
  REQUIRE_THAT(message([](H& h) { h.dim[3] = 0; }), Contains("dim[3] is 0"));
  REQUIRE_THAT(message([](H& h) { h.dim[3] = 5; }), Contains("more than this file") && Contains("cut short"));
  REQUIRE_THAT(message([](H& h) {
                 for (int i = 1; i < 5; ++i) h.dim[0] = 4, h.dim[i] = 32767;
               }),
               Contains("damaged"));
  REQUIRE_THAT(message([](H& h) { h.dim[0] = 5, h.dim[4] = 2, h.dim[5] = 2; }), Contains("four axes"));
  REQUIRE_THAT(message([](H& h) { h.datatype = NIFTI_TYPE_RGB24; }), Contains("datatype is 128") && Contains("RGB"));
  REQUIRE_THAT(message([](H& h) { h.datatype = 77; }), Contains("datatype is 77"));
  REQUIRE_THAT(message([](H& h) { h.vox_offset = 100; }), Contains("vox_offset is 100"));
  REQUIRE_THAT(message([](H& h) { h.vox_offset = NAN; }), Contains("vox_offset"));
  REQUIRE_THAT(message([](H& h) { h.vox_offset = 1e9F; }), Contains("ends after"));
  REQUIRE_THAT(message([](H& h) { h.scl_slope = 2, h.scl_inter = INFINITY; }), Contains("scl_inter"));
  REQUIRE_THAT(message([](H& h) { h.sform_code = 1; }), Contains("sform") && Contains("degenerate"));
  REQUIRE_THAT(message([](H& h) { h.qform_code = 1, h.qoffset_y = NAN; }), Contains("qform") && Contains("not finite"));
  REQUIRE_THAT(why(folder / "absent.nii"), Contains("absent.nii") && Contains("No such file"));
  REQUIRE_THAT(why(folder.path()), Contains("folder or device"));
  save(path, "");
  REQUIRE_THAT(why(path), Contains("ends after 0 of 348 bytes"));
}

TEST_CASE("gzip streams that are cut short, damaged, or promise more than they hold are refused", "[images]") {
  const TempDir folder;
  auto raw = RawNifti({20, 20, 20}, NIFTI_TYPE_INT16, 16, "");
  std::mt19937 generator(3);
  for (int i = 0; i < 16000; ++i) raw.voxels += static_cast<char>(generator());
  const auto path = folder / "a.nii.gz";
  const auto packed = gzip(raw.bytes());
  save(path, packed);
  REQUIRE(why(path).empty());
  for (const double share : {0.001, 0.01, 0.5, 0.99}) {
    save(path, packed.substr(0, static_cast<std::size_t>(share * static_cast<double>(packed.size()))));
    CAPTURE(share);
    REQUIRE_THAT(why(path), Contains("a.nii.gz") && (Contains("cut short") || Contains("not a NIfTI")));
  }
  save(path, packed.substr(0, packed.size() - 3));  // every voxel is there, the checksum is not
  REQUIRE_THAT(why(path), Contains("cut short"));
  auto flipped = packed;
  flipped[packed.size() / 2] = static_cast<char>(flipped[packed.size() / 2] ^ 4);
  save(path, flipped);
  REQUIRE_THAT(why(path), Contains("damaged"));
  auto wrong_sum = packed;
  wrong_sum[packed.size() - 6] = static_cast<char>(wrong_sum[packed.size() - 6] ^ 1);
  save(path, wrong_sum);
  REQUIRE_THAT(why(path), Contains("damaged"));
  raw.header.dim[3] = 30000;  // 24 MB of voxels from 16 kB of gzip: more than deflate can do
  save(path, gzip(raw.bytes()));
  REQUIRE_THAT(why(path), Contains("promises 24000000 bytes") && Contains("can hold"));
  raw.header.dim[3] = 25;  // possible for deflate, but the stream ends before
  save(path, gzip(raw.bytes()));
  REQUIRE_THAT(why(path), Contains("ends after 16000 of 20000 bytes of its voxels"));
}

TEST_CASE("a gzip bomb takes no more memory than its stream holds", "[images]") {
  const TempDir folder;
  // 1 GiB promised; 200 MiB of zeros are really there, in 200 kB: allocation must follow what arrives.
  auto raw = RawNifti({1024, 1024, 1024}, NIFTI_TYPE_UINT8, 8, std::string(std::size_t{8} << 20, '\0'));
  std::ostringstream packed;
  pam::detail::NiftiOutput output(packed, 1);
  const auto start = raw.bytes();
  output.write(start.data(), static_cast<std::int64_t>(start.size()));
  for (int i = 0; i < 24; ++i) output.write(raw.voxels.data(), static_cast<std::int64_t>(raw.voxels.size()));
  output.finish();
  save(folder / "bomb.nii.gz",
       packed.str() + std::string(1 << 20, 'x'));  // padding, so that the ratio alone lets it pass
  pam::detail::ByteBlock block;
  pam::detail::NiftiInput input(folder / "bomb.nii.gz");
  input.skip(352, "header");
  rusage before{}, after{};
  getrusage(RUSAGE_SELF, &before);
  REQUIRE_THROWS_WITH(block = input.voxels(std::int64_t{1} << 30, 352), Contains("ends after"));
  getrusage(RUSAGE_SELF, &after);
  // Twice what arrived; three times where realloc copies instead of remapping (sanitizers). In kB.
  REQUIRE(after.ru_maxrss - before.ru_maxrss < 3 * 200 * 1024);
}

TEST_CASE("no single-byte change of a NIfTI file crashes, hangs, speaks to stderr or takes much memory", "[images]") {
  const TempDir folder;
  auto raw = small_volume();
  raw.header.sform_code = 1;
  raw.header.srow_x[0] = raw.header.srow_y[1] = raw.header.srow_z[2] = 1;
  raw.header.qform_code = 1;
  const auto plain = raw.bytes();
  std::mt19937 generator(11);
  rusage before{}, after{};
  getrusage(RUSAGE_SELF, &before);
  std::fflush(stderr);
  const int kept = dup(2);
  const int sink = open((folder / "stderr").c_str(), O_WRONLY | O_CREAT, 0600);
  dup2(sink, 2);
  int read = 0, refused = 0;
  for (std::size_t position = 0; position < plain.size(); ++position) {
    for (int attempt = 0; attempt < 3; ++attempt) {
      auto changed = plain;
      changed[position] = attempt == 0 ? '\x7f' : static_cast<char>(generator());
      if (attempt == 2) changed.resize(generator() % plain.size());
      const bool packed = (position + static_cast<std::size_t>(attempt)) % 2 == 1;
      const auto path = folder / (packed ? "m.nii.gz" : "m.nii");
      save(path, packed ? gzip(changed) : changed);
      (why(path).empty() ? read : refused)++;
    }
  }
  std::fflush(stderr);
  dup2(kept, 2);
  close(sink), close(kept);
  getrusage(RUSAGE_SELF, &after);
  REQUIRE(read > 200);
  REQUIRE(refused > 200);
  REQUIRE(read_bytes(folder / "stderr").empty());
  REQUIRE(after.ru_maxrss - before.ru_maxrss < 64 * 1024);  // kB
}

TEST_CASE("real NIfTI files of the data packs read as nibabel reads them", "[images]") {
  const auto data = shared_dir() / "data";
  if (shared_dir().empty() || !std::filesystem::is_directory(data)) PAM_SKIP("the developers' shared/data is absent");
  if (!python_has("nibabel")) PAM_SKIP("Debian's python3-nibabel is absent");
  const TempDir folder;
  std::vector<std::string> files{
      "brats/BraTS2021_00006/BraTS2021_00006_seg.nii.gz",
      "isles22/rawdata/sub-strokecase0009/ses-0001/sub-strokecase0009_ses-0001_dwi.nii.gz",
      "isles22/derivatives/sub-strokecase0009/ses-0001/sub-strokecase0009_ses-0001_msk.nii.gz",
      "open_ms/patient07/GOLD_STANDARD_N4_noneck_reduced_winsor_regtoFLAIR_regtoMNI.nii.gz",
      "msd_hippocampus/images/hippocampus_001.nii.gz",
      "msd_hippocampus/labels/hippocampus_001.nii.gz"};
  for (const auto& name : files) {
    CAPTURE(name);
    REQUIRE(std::filesystem::exists(data / name));
    std::istringstream printed(run_python(R"(
import nibabel as nib, numpy as np, sys
i = nib.load(sys.argv[1]); v = i.get_fdata()
print(''.join(nib.aff2axcodes(i.affine)), *v.shape, *i.header.get_zooms()[:3], v.sum(), v.min(), v.max(), (v * np.arange(v.size).reshape(v.shape[::-1]).T).sum(), *i.affine[:3].ravel())
)",
                                          {(data / name).string()}));
    const auto image = read_nifti(data / name);
    std::string code;
    std::array<double, 10> n{};
    printed >> code;
    for (auto& value : n) printed >> value;
    REQUIRE(orientation(image.affine) == code);
    const auto v = image.voxels.to(torch::kDouble);
    for (std::size_t axis = 0; axis < 3; ++axis) {
      REQUIRE(v.size(2 - static_cast<std::int64_t>(axis)) == static_cast<std::int64_t>(n[axis]));
      REQUIRE(image.spacing[2 - axis] == Approx(n[3 + axis]));
    }
    // Sums in another order: 1e-10 of sums of up to 9 million terms.
    REQUIRE(v.sum().item<double>() == Approx(n[6]).epsilon(1e-10));
    REQUIRE(v.min().item<double>() == n[7]);
    REQUIRE(v.max().item<double>() == n[8]);
    REQUIRE((v.view({-1}) * torch::arange(v.numel(), torch::kDouble)).sum().item<double>() ==
            Approx(n[9]).epsilon(1e-10));
    for (const auto& row : image.affine) {
      for (const double entry : row) {
        double value = 0;
        REQUIRE((printed >> value && entry == Approx(value).margin(1e-4)));
      }
    }
  }
}

TEST_CASE("Debian's ch2bet and aal volumes lie on one grid, left first", "[images]") {
  const std::filesystem::path templates = "/usr/share/mricron/templates";
  if (!std::filesystem::exists(templates / "ch2bet.nii.gz")) PAM_SKIP("Debian's mricron-data is absent");
  const auto image = read_nifti(templates / "ch2bet.nii.gz");
  const auto atlas = read_nifti(templates / "aal.nii.gz");
  REQUIRE(image.voxels.sizes() == torch::IntArrayRef({181, 217, 181}));
  REQUIRE(atlas.voxels.sizes() == image.voxels.sizes());
  REQUIRE(atlas.affine == image.affine);
  REQUIRE(image.voxels.scalar_type() == torch::kByte);
  const auto side = left_right_axis(image.affine);
  REQUIRE(side.dimension == 2);
  REQUIRE(side.starts_left);
  // AAL: odd labels are left, even ones right (label 71 = Caudate_L, 72 = Caudate_R).
  const auto columns_of = [&](int label) {
    return atlas.voxels.eq(label).nonzero().select(1, 2).to(torch::kDouble).mean().item<double>();
  };
  REQUIRE(to_world(image.affine, columns_of(71), 0, 0)[0] < 0);
  REQUIRE(to_world(image.affine, columns_of(72), 0, 0)[0] > 0);
}

}  // namespace images_nifti_test
