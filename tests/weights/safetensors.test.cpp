// SPDX-License-Identifier: MIT
#include <pam/weights/safetensors.hpp>

#include "support/bytes.hpp"
#include "support/catch.hpp"
#include "support/files.hpp"
#include "support/python.hpp"

namespace weights_safetensors_test {
using namespace pam;
using pam::test::Bytes;
using pam::test::message_of;
using pam::test::TempDir;

/// A file with this header and data, whatever they say.
Bytes raw(const std::string& header, const Bytes& data = {}) {
  const std::uint64_t size = header.size();
  Bytes bytes(reinterpret_cast<const std::uint8_t*>(&size), reinterpret_cast<const std::uint8_t*>(&size) + 8);
  bytes.insert(bytes.end(), header.begin(), header.end());
  bytes.insert(bytes.end(), data.begin(), data.end());
  return bytes;
}
SafetensorsFile parse(const Bytes& bytes) {
  return pam::detail::parse_safetensors(FileBytes::own(bytes, "a.safetensors"));
}
std::string refusal(const Bytes& bytes) {
  return message_of<Error>([&] { parse(bytes); });
}
/// A header with one tensor called "w".
std::string one(const std::string& dtype, const std::string& shape, const std::string& offsets) {
  return R"({"w":{"dtype":")" + dtype + R"(","shape":)" + shape + R"(,"data_offsets":)" + offsets + "}}";
}

/// One tensor of every type and of odd shapes, with values that survive each type.
StateDict samples() {
  StateDict tensors;
  for (const auto& row : pam::detail::kElementTypes) {
    tensors.emplace_back(row.safetensors, torch::arange(6).reshape({2, 3}).to(row.type));
  }
  const auto base = torch::arange(24, torch::kFloat32).reshape({4, 6});
  tensors.emplace_back("scalar", torch::tensor(2.5));
  tensors.emplace_back("empty", torch::empty({0, 3}));
  tensors.emplace_back("odd bytes", torch::arange(7).to(torch::kUInt8));
  tensors.emplace_back("transposed", base.t());
  tensors.emplace_back("part", base.slice(1, 1, 5, 2));
  tensors.emplace_back("expanded", base[0].expand({3, 6}));
  tensors.emplace_back("shared", base);
  tensors.emplace_back("channels last", torch::rand({2, 3, 4, 5}).contiguous(torch::MemoryFormat::ChannelsLast));
  tensors.emplace_back("näme \"quoted\"\n", torch::ones({1}));
  return tensors;
}

void check_equal(const StateDict& actual, const StateDict& expected) {
  REQUIRE(actual.size() == expected.size());
  for (std::size_t i = 0; i < expected.size(); ++i) {
    INFO(expected[i].first);
    CHECK(actual[i].first == expected[i].first);
    CHECK(actual[i].second.scalar_type() == expected[i].second.scalar_type());
    CHECK(torch::equal(actual[i].second, expected[i].second));
  }
}

TEST_CASE("every type, shape and layout comes back as it was written, in order, with the metadata", "[weights]") {
  const TempDir folder;
  const auto path = folder / "a.safetensors";
  const auto tensors = samples();
  write_safetensors(path, tensors, {{"key", "value \"\n"}, {"schlüssel", ""}});
  const auto file = read_safetensors(path);
  check_equal(file.tensors, tensors);
  CHECK(file.metadata == Metadata{{"key", "value \"\n"}, {"schlüssel", ""}, {"format", "pt"}});
  for (const auto& [name, tensor] : file.tensors) CHECK(tensor.is_contiguous());
}

TEST_CASE("the same content gives the same bytes, with the data aligned to 8", "[weights]") {
  const TempDir folder;
  write_safetensors(folder / "a", {{"a", torch::ones({3}, torch::kBool)}, {"b", torch::arange(3)}}, {{"k", "v"}});
  write_safetensors(folder / "b", {{"a", torch::ones({3}, torch::kBool)}, {"b", torch::arange(3)}}, {{"k", "v"}});
  const auto bytes = test::read_bytes(folder / "a");
  CHECK(bytes == test::read_bytes(folder / "b"));
  std::uint64_t header = 0;
  std::memcpy(&header, bytes.data(), 8);
  CHECK(header % 8 == 0);
  // The header keeps the order given; the data put the larger type first.
  const std::string text(bytes.begin() + 8, bytes.begin() + 8 + static_cast<std::ptrdiff_t>(header));
  CHECK_THAT(text, Catch::Contains(R"({"__metadata__":{"format":"pt","k":"v"},"a":{"dtype":"BOOL","shape":[3],)"
                                   R"("data_offsets":[24,27]},"b":{"dtype":"I64","shape":[3],"data_offsets":[0,24]}})"));
}

TEST_CASE("an empty state dict is a file too", "[weights]") {
  const TempDir folder;
  write_safetensors(folder / "a", {}, {});
  CHECK(read_safetensors(folder / "a").tensors.empty());
  CHECK(parse(raw("{}")).tensors.empty());
}

TEST_CASE("tensors outlive the file that they map, and writing to them leaves it alone", "[weights]") {
  const TempDir folder;
  const auto path = folder / "a.safetensors";
  write_safetensors(path, {{"w", torch::arange(1000)}});
  const auto before = test::read_bytes(path);
  auto tensor = find_tensor(read_safetensors(path).tensors, "w");
  tensor.add_(5);
  CHECK(test::read_bytes(path) == before);
  write_safetensors(path, {{"w", torch::zeros({1000})}});  // replaces the file under the mapping
  std::filesystem::remove(path);
  CHECK(torch::equal(tensor, torch::arange(1000) + 5));
}

TEST_CASE("data that are not aligned to their type are read as well", "[weights]") {
  for (std::size_t pad = 0; pad < 8; ++pad) {  // the length of the header puts the data anywhere
    const auto shifted = raw(one("F64", "[2]", "[0,16]") + std::string(pad, ' '), Bytes(16, 0));
    const auto tensor = parse(shifted).tensors.at(0).second;
    CHECK(reinterpret_cast<std::uintptr_t>(tensor.data_ptr()) % 8 == 0);
    CHECK(torch::equal(tensor, torch::zeros({2}, torch::kDouble)));
  }
}

TEST_CASE("the length and the form of the header are checked", "[weights]") {
  CHECK_THAT(refusal({1, 2, 3}), Catch::Contains("a.safetensors") && Catch::Contains("3 bytes are too few"));
  CHECK_THAT(refusal(Bytes(8, 0xFF)), Catch::Contains("18446744073709551615 bytes") && Catch::Contains("100 MB"));
  auto cut = raw(one("F32", "[1]", "[0,4]"), Bytes(4));
  cut.resize(40);
  CHECK_THAT(refusal(cut), Catch::Contains("cut short"));
  CHECK_THAT(refusal(raw("")), Catch::Contains("does not begin with"));
  CHECK_THAT(refusal(raw("[]")), Catch::Contains("does not begin with"));
  CHECK_THAT(refusal(raw(" {}")), Catch::Contains("does not begin with"));
  CHECK_THAT(refusal(raw("{\"w\":")), Catch::Contains("not JSON"));
  CHECK_THAT(refusal(raw("{} {}")), Catch::Contains("not JSON"));
  CHECK_THAT(refusal(raw("{\"\xff\":1}")), Catch::Contains("not JSON"));
  CHECK(parse(raw("{}   ")).tensors.empty());  // padding is allowed
}

TEST_CASE("a header of more than 100 MB is refused before it is read", "[weights]") {
  const TempDir folder;
  const auto path = folder / "big";
  auto bytes = raw("{");
  const std::uint64_t size = 100'000'001;
  std::memcpy(bytes.data(), &size, 8);
  test::write_bytes(path, bytes);
  std::filesystem::resize_file(path, 8 + size);  // a sparse file
  CHECK_THAT(message_of<Error>([&] { static_cast<void>(read_safetensors(path)); }), Catch::Contains("100 MB"));
}

TEST_CASE("nesting bombs are refused at the third level, without recursion", "[weights]") {
  const std::string deep(1'000'000, '[');
  CHECK_THAT(refusal(raw("{\"w\":" + deep)), Catch::Contains("an array under 'w'"));
  std::string objects = "{";
  for (int i = 0; i < 100'000; ++i) objects += "\"a\":{";
  CHECK_THAT(refusal(raw(objects)), Catch::Contains("an object under 'a'"));
  CHECK_THAT(refusal(raw(R"({"w":{"shape":[[1]]}})")), Catch::Contains("an array under 'shape'"));
}

TEST_CASE("whatever the grammar has no place for is refused with its place", "[weights]") {
  CHECK_THAT(refusal(raw(R"({"w":null})")), Catch::Contains("null under 'w'"));
  CHECK_THAT(refusal(raw(R"({"w":true})")), Catch::Contains("a boolean"));
  CHECK_THAT(refusal(raw(R"({"w":7})")), Catch::Contains("a number"));
  CHECK_THAT(refusal(raw(R"({"w":"text"})")), Catch::Contains("a string"));
  CHECK_THAT(refusal(raw(R"({"__metadata__":[]})")), Catch::Contains("an array"));
  CHECK_THAT(refusal(raw(R"({"__metadata__":{"k":1}})")), Catch::Contains("__metadata__ holds a number"));
  CHECK_THAT(refusal(raw(R"({"__metadata__":{"k":{}}})")), Catch::Contains("__metadata__ holds an object"));
  CHECK_THAT(refusal(raw(R"({"w":{"dtype":1}})")), Catch::Contains("a number under 'dtype'"));
  CHECK_THAT(refusal(raw(R"({"w":{"more":"x"}})")), Catch::Contains("a string under 'more'"));
  CHECK_THAT(refusal(raw(R"({"w":{"more":[]}})")), Catch::Contains("an array under 'more'"));
  CHECK_THAT(refusal(raw(one("F32", "[-1]", "[0,4]"))), Catch::Contains("a negative number"));
  CHECK_THAT(refusal(raw(one("F32", "[1.5]", "[0,4]"))), Catch::Contains("a fraction"));
  CHECK_THAT(refusal(raw(one("F32", "[1e400]", "[0,4]"))), Catch::Contains("not JSON") || Catch::Contains("a fraction"));
  CHECK_THAT(refusal(raw(one("F32", "[\"1\"]", "[0,4]"))), Catch::Contains("a string"));
  CHECK_THAT(refusal(raw(R"({"w":{"dtype":"F32","shape":[1]}})")), Catch::Contains("missing"));
  CHECK_THAT(refusal(raw(R"({"w":{}})")), Catch::Contains("missing"));
}

TEST_CASE("repeated names and fields are refused", "[weights]") {
  const std::string entry = R"("w":{"dtype":"F32","shape":[0],"data_offsets":[0,0]})";
  CHECK_THAT(refusal(raw("{" + entry + "," + entry + "}")), Catch::Contains("'w' is listed twice"));
  CHECK_THAT(refusal(raw(R"({"__metadata__":{},"__metadata__":{}})")), Catch::Contains("twice"));
  CHECK_THAT(refusal(raw(R"({"__metadata__":{"k":"a","k":"b"}})")), Catch::Contains("'k' twice"));
  CHECK_THAT(refusal(raw(R"({"w":{"dtype":"F32","dtype":"F32"}})")), Catch::Contains("'dtype' twice"));
  CHECK_THAT(refusal(raw(R"({"w":{"shape":[1],"shape":[1]}})")), Catch::Contains("'shape' twice"));
  CHECK_THAT(refusal(raw(R"({"w":{"data_offsets":[0,1],"data_offsets":[0,1]}})")), Catch::Contains("'data_offsets' twice"));
}

TEST_CASE("types, shapes and offsets must agree", "[weights]") {
  const Bytes data(16);
  CHECK_THAT(refusal(raw(one("F8", "[1]", "[0,1]"), Bytes(1))), Catch::Contains("dtype 'F8'") && Catch::Contains("BF16"));
  CHECK_THAT(refusal(raw(one("F32", "[3]", "[0,16]"), data)), Catch::Contains("needs 12 bytes"));
  CHECK_THAT(refusal(raw(one("F32", "[4]", "[0,17]"), data)), Catch::Contains("needs 16 bytes"));
  CHECK_THAT(refusal(raw(one("F32", "[5]", "[0,20]"), data)), Catch::Contains("cut short"));
  CHECK_THAT(refusal(raw(one("F32", "[4]", "[16,0]"), data)), Catch::Contains("[16, 0]"));
  CHECK_THAT(refusal(raw(one("F32", "[4]", "[0]"), data)), Catch::Contains("needs 16 bytes"));
  CHECK_THAT(refusal(raw(one("F32", "[4]", "[0,8,16]"), data)), Catch::Contains("needs 16 bytes"));
  CHECK_THAT(refusal(raw(one("F32", "[0]", "[18446744073709551615,18446744073709551615]"))), Catch::Contains("offsets"));
  // 2^32 * 2^32 * 4 wraps to 0 in 64 bits, 2^63 does not fit int64, and strides of empty tensors can overflow too.
  CHECK_THAT(refusal(raw(one("F32", "[4294967296,4294967296]", "[0,0]"))), Catch::Contains("too large"));
  CHECK_THAT(refusal(raw(one("U8", "[9223372036854775808]", "[0,0]"))), Catch::Contains("too large"));
  CHECK_THAT(refusal(raw(one("U8", "[0,4294967296,4294967296]", "[0,0]"))), Catch::Contains("too large"));
  CHECK_THAT(refusal(raw(one("BOOL", "[2]", "[0,2]"), {1, 2})), Catch::Contains("other than 0 and 1"));
}

TEST_CASE("a rank above 64 and more tensors than the limit are refused", "[weights]") {
  std::string shape = "[1";
  for (int i = 1; i < 65; ++i) shape += ",1";
  CHECK_THAT(refusal(raw(one("U8", shape + "]", "[0,1]"), {0})), Catch::Contains("more than 64 dimensions"));
  std::string header = "{";
  for (int i = 0; i <= 65'536; ++i) {
    header += fmt::format("{}\"{}\":{{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]}}", i == 0 ? "" : ",", i);
  }
  CHECK_THAT(refusal(raw(header + "}")), Catch::Contains("more than 65536 tensors"));
}

TEST_CASE("tensors must follow each other: no overlap, no hole, no trailing byte", "[weights]") {
  const auto two = [](const std::string& a, const std::string& b) {
    return R"({"a":{"dtype":"U8","shape":[4],"data_offsets":)" + a + R"(},"b":{"dtype":"U8","shape":[4],"data_offsets":)" +
           b + "}}";
  };
  CHECK(parse(raw(two("[4,8]", "[0,4]"), Bytes(8))).tensors.size() == 2);  // any order
  CHECK_THAT(refusal(raw(two("[0,4]", "[2,6]"), Bytes(6))), Catch::Contains("overlap"));
  CHECK_THAT(refusal(raw(two("[0,4]", "[0,4]"), Bytes(4))), Catch::Contains("overlap"));
  CHECK_THAT(refusal(raw(two("[0,4]", "[5,9]"), Bytes(9))), Catch::Contains("hole"));
  CHECK_THAT(refusal(raw(two("[1,5]", "[5,9]"), Bytes(9))), Catch::Contains("hole"));
  CHECK_THAT(refusal(raw(two("[0,4]", "[4,8]"), Bytes(9))), Catch::Contains("cover 8 bytes, the file holds 9"));
}

TEST_CASE("what cannot be written is refused, and nothing is left behind", "[weights]") {
  const TempDir folder;
  const auto refused = [&](const StateDict& tensors, const Metadata& metadata = {}) {
    return message_of<Error>([&] { write_safetensors(folder / "a", tensors, metadata); });
  };
  const auto w = torch::ones({1});
  CHECK_THAT(refused({{"w", w}, {"w", w}}), Catch::Contains("unique"));
  CHECK_THAT(refused({{"__metadata__", w}}), Catch::Contains("__metadata__"));
  CHECK_THAT(refused({{"\xff", w}}), Catch::Contains("UTF-8"));
  CHECK_THAT(refused({{"w", w}}, {{"k", "\xff"}}), Catch::Contains("UTF-8"));
  CHECK(std::filesystem::is_empty(folder.path()));
}

TEST_CASE("all golden files of the developers' folder are read", "[weights]") {
  const auto shared = test::shared_dir();
  if (shared.empty()) PAM_SKIP("the folder ../shared is absent");
  std::size_t files = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(shared / "golden")) {
    if (entry.path().extension() != ".safetensors") continue;
    const auto file = read_safetensors(entry.path());
    INFO(entry.path());
    CHECK(file.metadata.count("module") == 1);
    CHECK(find_tensor(file.tensors, "output").sizes() == find_tensor(file.tensors, "target").sizes());
    CHECK(find_tensor(file.tensors, "output").abs().max().item<float>() > 0);
    ++files;
  }
  CHECK(files >= 36);
}

TEST_CASE("Python reads what pam writes as safetensors, and pam what Python writes", "[weights]") {
  if (!test::python_has("json, struct")) PAM_SKIP("Python is absent");
  const TempDir folder;
  const auto tensors = samples();
  write_safetensors(folder / "a.safetensors", tensors, {{"k", "v"}});
  // An independent reader and writer of a few lines; it knows nothing of alignment and writes names in reverse.
  test::run_python(R"PY(
import json, math, struct, sys
sizes = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I64": 8, "I32": 4, "I16": 2, "I8": 1, "U8": 1, "BOOL": 1}
codes = {"F64": "d", "F32": "f", "F16": "e", "I64": "q", "I32": "i", "I16": "h", "I8": "b", "U8": "B", "BOOL": "?"}
data = open(sys.argv[1], "rb").read()
size = struct.unpack("<Q", data[:8])[0]
header = json.loads(data[8:8 + size])
assert header.pop("__metadata__") == {"format": "pt", "k": "v"}
out, body = {}, b""
for name, entry in reversed(list(header.items())):
    begin, end = entry["data_offsets"]
    raw, kind = data[8 + size + begin:8 + size + end], entry["dtype"]
    assert len(raw) == sizes[kind] * math.prod(entry["shape"]), name
    if name in codes:
        values = struct.unpack("<6" + codes[name], raw)
        assert values == (0, 1, 1, 1, 1, 1) if name == "BOOL" else values == (0, 1, 2, 3, 4, 5), (name, values)
    if name == "transposed":
        assert struct.unpack("<24f", raw)[4:8] == (1, 7, 13, 19)
    out[name] = {"dtype": kind, "shape": entry["shape"], "data_offsets": [len(body), len(body) + len(raw)]}
    body += raw
text = json.dumps(out).encode()
open(sys.argv[2], "wb").write(struct.pack("<Q", len(text)) + text + body)
)PY",
                   {(folder / "a.safetensors").string(), (folder / "b.safetensors").string()});
  auto back = read_safetensors(folder / "b.safetensors").tensors;
  std::reverse(back.begin(), back.end());
  check_equal(back, tensors);
}
}  // namespace weights_safetensors_test
