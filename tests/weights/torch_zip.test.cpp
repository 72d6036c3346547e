// SPDX-License-Identifier: MIT
// io/data/torch-*: files made by io/data/make_golden.py with Debian's torch 1.13 and PyPI's 2.15.
#include <pam/weights/torch_zip.hpp>

#include "support/bytes.hpp"
#include "support/catch.hpp"
#include "support/files.hpp"
#include "support/python.hpp"

#include <sstream>

namespace weights_torch_zip_test {
using namespace pam;
using pam::detail::PickleWriter;
using pam::detail::ZipWriter;
using pam::test::message_of;
using pam::test::TempDir;

std::filesystem::path golden(const std::string& version, const std::string& name) {
  return std::filesystem::path(PAM_SOURCE_DIR) / "tests/weights/data" / ("torch-" + version) / name;
}
std::string refusal(const std::filesystem::path& path, const std::string& section = {}) {
  return message_of<Error>([&] { static_cast<void>(read_torch_zip(path, section)); });
}

/// The tensors of make_golden.py's Net: tensor i of n elements holds 100 i, 100 i + 1, …
/// `moved`: how far a value may be from that.
void check_net(const StateDict& tensors, const std::string& prefix = "", double moved = 0) {
  const std::vector<std::pair<std::string, std::vector<std::int64_t>>> expected{
      {"conv.weight", {3, 2, 1, 1}},   {"conv.bias", {3}},        {"norm.weight", {3}},           {"norm.bias", {3}},
      {"norm.running_mean", {3}},      {"norm.running_var", {3}}, {"norm.num_batches_tracked", {}}};
  REQUIRE(tensors.size() == expected.size());
  for (std::size_t i = 0; i < expected.size(); ++i) {
    const auto& [name, tensor] = tensors[i];
    CHECK(name == prefix + expected[i].first);
    CHECK(tensor.sizes() == at::IntArrayRef(expected[i].second));
    CHECK(tensor.scalar_type() == (i == 6 ? torch::kInt64 : torch::kFloat32));
    const auto values = torch::arange(tensor.numel(), torch::kDouble) + 100 * static_cast<double>(i);
    CHECK((tensor.reshape({-1}).to(torch::kDouble) - values).abs().max().item<double>() <= moved);
  }
}

TEST_CASE("state dicts, checkpoints and nnU-Net's files of both PyTorch generations are read", "[weights]") {
  const auto version = GENERATE(std::string("1.13"), std::string("2.15"));
  CAPTURE(version);
  check_net(read_torch_zip(golden(version, "state_dict.pt")).tensors);
  check_net(read_torch_zip(golden(version, "network_weights.pt")).tensors);
  // A training checkpoint: optimizer, schedule, Namespace, Counter, huge integers; weights under module._orig_mod.
  check_net(read_torch_zip(golden(version, "checkpoint.pt")).tensors, "module._orig_mod.");
  check_net(read_torch_zip(golden(version, "checkpoint.pt"), "state_dict").tensors, "module._orig_mod.");
  // Saved after one step of AdamW, which moves a value w by at most lr (1 + decay |w|) = 0.001 (1 + 0.01 * 302).
  check_net(read_torch_zip(golden(version, "protocol4.pt")).tensors, "", 0.005);
  const auto one = read_torch_zip(golden(version, "one.pt")).tensors;  // pickled with SETITEM, not SETITEMS
  REQUIRE(one.size() == 1);
  CHECK(torch::equal(one[0].second, torch::arange(3.)));
}

TEST_CASE("paths, dates, sets and bytes beside the weights are passed over, in pickle protocols 2 to 5", "[weights]") {
  for (const auto* protocol : {"2", "3", "4", "5"}) {
    CAPTURE(protocol);
    const auto file = read_torch_zip(golden("1.13", std::string("extras") + protocol + ".pt"));
    check_net(file.tensors);
    CHECK(file.section == "net");  // the only one that holds weights
    CHECK(file.other_sections.empty());
    CHECK(file.skipped.empty());
  }
}

TEST_CASE("every type, stride and sharing of both PyTorch generations is kept", "[weights]") {
  const auto version = GENERATE(std::string("1.13"), std::string("2.15"));
  CAPTURE(version);
  const auto tensors = read_torch_zip(golden(version, "kinds.pt")).tensors;
  const std::vector<std::pair<std::string, torch::ScalarType>> types{
      {"float64", torch::kFloat64}, {"float32", torch::kFloat32}, {"float16", torch::kFloat16},
      {"bfloat16", torch::kBFloat16}, {"int64", torch::kInt64},   {"int32", torch::kInt32},
      {"int16", torch::kInt16},     {"int8", torch::kInt8},       {"uint8", torch::kUInt8},
      {"bool", torch::kBool}};
  for (const auto& [name, type] : types) {
    INFO(name);
    const auto tensor = find_tensor(tensors, name);
    REQUIRE(tensor.defined());
    CHECK(tensor.scalar_type() == type);
    CHECK(torch::equal(tensor, torch::arange(6).reshape({2, 3}).to(type)));
  }
  const auto base = torch::arange(24.).reshape({4, 6});
  CHECK(torch::equal(find_tensor(tensors, "scalar"), torch::tensor(2.5f)));
  CHECK(find_tensor(tensors, "empty").sizes() == at::IntArrayRef({0, 3}));
  CHECK(torch::equal(find_tensor(tensors, "shared"), base));
  CHECK(torch::equal(find_tensor(tensors, "transposed"), base.t()));
  CHECK(torch::equal(find_tensor(tensors, "part"), base.slice(0, 1, 3).slice(1, 1, 5, 2)));
  CHECK(torch::equal(find_tensor(tensors, "expanded"), base[0].expand({3, 6})));
  CHECK(torch::equal(find_tensor(tensors, "parameter"), torch::arange(3.)));
  CHECK(torch::equal(find_tensor(tensors, "marked"), torch::arange(3.)));
  CHECK(torch::equal(find_tensor(tensors, "channels_last"), torch::arange(24.).reshape({1, 2, 3, 4})));
  CHECK(find_tensor(tensors, "channels_last").is_contiguous(torch::MemoryFormat::ChannelsLast));
  // One storage in Python is one storage here.
  CHECK(find_tensor(tensors, "transposed").data_ptr() == find_tensor(tensors, "shared").data_ptr());
}

TEST_CASE("what pam cannot or will not load says so and names the remedy", "[weights]") {
  const auto version = GENERATE(std::string("1.13"), std::string("2.15"));
  CAPTURE(version);
  CHECK_THAT(refusal(golden(version, "whole_module.pt")), Catch::Contains("holds a Python object of the type __main__.Net") &&
                                                              Catch::Contains("export_weights.py"));
  CHECK_THAT(refusal(golden(version, "torchscript.pt")), Catch::Contains("TorchScript") &&
                                                             Catch::Contains("export_weights.py"));
  CHECK_THAT(refusal(golden(version, "list.pt")), Catch::Contains("no dict of tensors"));
  CHECK_THAT(refusal(golden(version, "complex.pt")), Catch::Contains("'c'") && Catch::Contains("element type"));
  CHECK_THAT(refusal(golden(version, "legacy.pt")), Catch::Contains("no directory"));  // read_weights knows better
  CHECK_THAT(refusal(golden(version, "checkpoint.pt"), "nets"), Catch::Contains("no section 'nets'") &&
                                                                    Catch::Contains("epoch") &&
                                                                    Catch::Contains("optimizer"));
  CHECK_THAT(refusal(golden(version, "checkpoint.pt"), "optimizer"), Catch::Contains("'state' is no tensor"));
  if (version == "2.15") {
    CHECK_THAT(refusal(golden(version, "uint16.pt")), Catch::Contains("'w'") && Catch::Contains("element type"));
    CHECK_THAT(refusal(golden(version, "storage.pt")), Catch::Contains("'w' is no tensor"));
  }
}

/// An archive with these entries under "archive/".
struct Entry {
  std::string name, content;
};
std::shared_ptr<FileBytes> archive(const std::vector<Entry>& entries) {
  std::ostringstream out;
  ZipWriter zip(out);
  for (const auto& entry : entries) zip.add("archive/" + entry.name, entry.content.data(), entry.content.size());
  zip.finish();
  return FileBytes::own(test::to_bytes(out.str()), "a.pt");
}
WeightsFile parse(const std::vector<Entry>& entries) { return pam::detail::parse_torch_zip(archive(entries), ""); }
std::string refused(const std::vector<Entry>& entries) {
  return message_of<Error>([&] { parse(entries); });
}
/// {"w": a tensor of floats over the record data/0 of `count` elements}
std::string pickle(std::int64_t offset, at::IntArrayRef sizes, at::IntArrayRef strides, std::int64_t count,
                   const char* type = "FloatStorage") {
  PickleWriter pickle;
  pickle.opcode("\x80\x02}").string("w").global("torch._utils", "_rebuild_tensor_v2").opcode("((").string("storage");
  pickle.global("torch", type).string("0").string("cpu").integer(count).opcode("tQ").integer(offset);
  pickle.integers(sizes).integers(strides).opcode("tRs.");
  return pickle.bytes();
}
const std::string kFour(16, '\0');  // four floats

TEST_CASE("views must lie within their storage", "[weights]") {
  const auto with = [](std::int64_t offset, at::IntArrayRef sizes, at::IntArrayRef strides) {
    return refused({{"data.pkl", pickle(offset, sizes, strides, 4)}, {"data/0", kFour}});
  };
  CHECK(with(0, {4}, {1}) == "no error");
  CHECK(with(3, {1}, {99}) == "no error");  // the stride of one element does not matter
  CHECK(with(0, {2, 0}, {1, 1}) == "no error");
  CHECK(with(4, {0}, {1}) == "no error");
  CHECK(with(0, {1'000'000, 1'000'000}, {0, 0}) == "no error");  // expanded: one element
  CHECK_THAT(with(0, {5}, {1}), Catch::Contains("'w'") && Catch::Contains("beyond its storage of 4"));
  CHECK_THAT(with(4, {1}, {1}), Catch::Contains("beyond"));
  CHECK_THAT(with(5, {0}, {1}), Catch::Contains("beyond"));
  CHECK_THAT(with(0, {2, 2}, {3, 1}), Catch::Contains("beyond"));
  constexpr auto kMost = std::numeric_limits<std::int64_t>::max();
  CHECK_THAT(with(0, {2}, {kMost}), Catch::Contains("beyond"));
  CHECK_THAT(with(0, {3}, {kMost / 2 + 1}), Catch::Contains("beyond"));
  CHECK_THAT(with(kMost, {2}, {1}), Catch::Contains("beyond"));
  CHECK_THAT(with(0, {kMost}, {0}), Catch::Contains("beyond"));  // its byte count has no int64
  CHECK_THAT(with(0, {kMost, 0}, {0, 0}), Catch::Contains("beyond"));
  CHECK_THAT(with(0, {kMost, kMost}, {0, 0}), Catch::Contains("beyond"));
}

TEST_CASE("records must be there, of the right size, little-endian and undamaged", "[weights]") {
  const auto good = pickle(0, {4}, {1}, 4);
  CHECK(refused({{"data.pkl", good}, {"data/0", kFour}, {"byteorder", "little"}, {"version", "3\n"}}) == "no error");
  CHECK_THAT(refused({{"data.pkl", good}}), Catch::Contains("data/0 of tensor 'w' is missing"));
  CHECK_THAT(refused({{"data.pkl", good}, {"data/0", kFour + "1234"}}), Catch::Contains("has 20 bytes"));
  CHECK_THAT(refused({{"data.pkl", good}, {"data/0", kFour + "1"}}), Catch::Contains("has 17 bytes"));
  CHECK_THAT(refused({{"data.pkl", pickle(0, {4}, {1}, std::int64_t{1} << 62)}, {"data/0", kFour}}),
             Catch::Contains("has 16 bytes"));
  CHECK_THAT(refused({{"data.pkl", good}, {"data/0", kFour}, {"byteorder", "big"}}), Catch::Contains("big-endian"));
  CHECK_THAT(refused({{"data.pkl", pickle(0, {2}, {1}, 2, "BoolStorage")}, {"data/0", "\x01\x02"}}),
             Catch::Contains("other than 0 and 1"));
  CHECK_THAT(refused({{"other", "x"}}), Catch::Contains("no data.pkl"));
  CHECK_THAT(refused({{"data.pkl", good}, {"code/a.py", ""}, {"data/0", kFour}}), Catch::Contains("TorchScript"));
}

TEST_CASE("repeated names and a storage of two types are refused", "[weights]") {
  PickleWriter twice;
  twice.opcode("\x80\x02}(");
  for (int i = 0; i < 2; ++i) {
    twice.string("w").global("torch._utils", "_rebuild_tensor_v2").opcode("((").string("storage");
    twice.global("torch", "FloatStorage").string("0").string("cpu").integer(4).opcode("tQ").integer(0);
    twice.integers({4}).integers({1}).opcode("tR");
  }
  twice.opcode("u.");
  CHECK_THAT(refused({{"data.pkl", twice.bytes()}, {"data/0", kFour}}), Catch::Contains("'w' is listed twice"));
  PickleWriter types;
  types.opcode("\x80\x02}(");
  for (const auto* type : {"FloatStorage", "IntStorage"}) {
    types.string(type).global("torch._utils", "_rebuild_tensor_v2").opcode("((").string("storage");
    types.global("torch", type).string("0").string("cpu").integer(4).opcode("tQ").integer(0);
    types.integers({4}).integers({1}).opcode("tR");
  }
  types.opcode("u.");
  CHECK_THAT(refused({{"data.pkl", types.bytes()}, {"data/0", kFour}}), Catch::Contains("as different types"));
}

TEST_CASE("an untyped storage is read as the type that its tensor names", "[weights]") {
  const auto v3 = [](const char* type, std::int64_t bytes, std::int64_t size) {
    PickleWriter pickle;
    pickle.opcode("\x80\x02}").string("w").global("torch._utils", "_rebuild_tensor_v3").opcode("((").string("storage");
    pickle.global("torch.storage", "UntypedStorage").string("0").string("cpu").integer(bytes).opcode("tQ").integer(0);
    pickle.integers({size}).integers({1}).opcode("\x89)").global("torch", type).opcode("tRs.");
    return pickle.bytes();
  };
  const std::string one("\0\0\x80\x3f\0\0\0\x40", 8);  // 1.0f, 2.0f
  CHECK(torch::equal(parse({{"data.pkl", v3("float32", 8, 2)}, {"data/0", one}}).tensors[0].second,
                     torch::tensor({1.f, 2.f})));
  CHECK_THAT(refused({{"data.pkl", v3("float32", 8, 3)}, {"data/0", one}}), Catch::Contains("beyond"));
  CHECK_THAT(refused({{"data.pkl", v3("float32", 7, 1)}, {"data/0", one.substr(1)}}), Catch::Contains("another element type"));
  CHECK_THAT(refused({{"data.pkl", v3("bool", 8, 2)}, {"data/0", one}}), Catch::Contains("other than 0 and 1"));
}

/// Pickles of dicts within dicts, each entry either further entries or a float tensor of `kFour`.
struct Content {
  std::string key;
  std::vector<Content> inner;
  std::vector<std::int64_t> sizes;  // of a tensor; empty with `inner`: a dict
  bool is_text = false;
};
Content weights(const std::string& key) { return {key, {}, {2, 2}}; }
Content counter(const std::string& key) { return {key, {}, {4}}; }
Content text(const std::string& key) { return {key, {}, {}, true}; }
Content dict(const std::string& key, std::vector<Content> inner) { return {key, std::move(inner), {}}; }

void append(PickleWriter& pickle, const std::vector<Content>& entries) {
  pickle.opcode("}(");
  for (const auto& entry : entries) {
    pickle.string(entry.key);
    if (entry.is_text) {
      pickle.string("text");
    } else if (entry.sizes.empty()) {
      append(pickle, entry.inner);
    } else {
      pickle.global("torch._utils", "_rebuild_tensor_v2").opcode("((").string("storage");
      pickle.global("torch", "FloatStorage").string("0").string("cpu").integer(4).opcode("tQ").integer(0);
      pickle.integers(entry.sizes).integers(pam::detail::packed_strides(entry.sizes)).opcode("tR");
    }
  }
  pickle.opcode("u");
}
WeightsFile parse_content(const std::vector<Content>& entries, const std::string& section = {}) {
  PickleWriter pickle;
  pickle.opcode("\x80\x02");
  append(pickle, entries);
  pickle.opcode(".");
  return pam::detail::parse_torch_zip(archive({{"data.pkl", pickle.bytes()}, {"data/0", kFour}}), section);
}
using Names = std::vector<std::string>;
Names names_of(const WeightsFile& file) {
  Names names;
  for (const auto& [name, tensor] : file.tensors) names.push_back(name);
  return names;
}

TEST_CASE("the section with the weights is found in the documented order", "[weights]") {
  const auto refused_content = [](const std::vector<Content>& entries, const std::string& section = {}) {
    return message_of<Error>([&] { static_cast<void>(parse_content(entries, section)); });
  };
  for (const auto* key : {"state_dict", "model_state_dict", "model", "network_weights"}) {
    CHECK(names_of(parse_content({dict(key, {counter("w")})})) == Names{"w"});
    CHECK(names_of(parse_content({dict("model", {dict(key, {weights("w")})})})) == Names{"w"});
    CHECK(parse_content({dict("model", {dict(key, {weights("w")})})}).section == "model." + std::string(key));
  }
  // Any other name, where it is the only one with weights: optimizers, random states and losses hold none.
  for (const auto* key : {"net", "params", "weights", "ema", "generator"}) {
    CAPTURE(key);
    const auto file = parse_content({text("epoch"), dict("rng_state", {counter("torch")}), counter("losses"),
                                     dict("optimizer", {dict("state", {dict("0", {counter("step")})})}),
                                     dict(key, {weights("w"), counter("b")})});
    CHECK(names_of(file) == Names{"w", "b"});
    CHECK(file.section == key);
  }
  // Known names come first, averaged weights last; what else there is, is named.
  auto file = parse_content({dict("ema", {weights("e")}), dict("other", {weights("o")}), dict("model", {weights("m")})});
  CHECK(names_of(file) == Names{"m"});
  CHECK(file.section == "model");
  CHECK(file.other_sections == Names{"ema", "other"});
  for (const auto* key : {"ema", "model_ema", "state_dict_ema", "swa_model", "EMA-weights"}) {
    CAPTURE(key);
    file = parse_content({dict(key, {weights("e")}), dict("net", {weights("n")})});
    CHECK(names_of(file) == Names{"n"});
    CHECK(file.other_sections == Names{key});
    CHECK(names_of(parse_content({dict(key, {weights("e")}), weights("top")})) == Names{"top"});
    const auto chosen = parse_content({dict(key, {weights("e")}), dict("net", {weights("n")})}, key);
    CHECK(names_of(chosen) == Names{"e"});
    CHECK(chosen.other_sections.empty());
  }
  CHECK(parse_content({dict("emanation", {weights("e")})}).section == "emanation");
  CHECK_FALSE(pam::detail::names_averaged_weights("emanation"));
  // A section that is asked for may lie deeper, or hold the weights one level down.
  CHECK(names_of(parse_content({dict("a", {dict("ema", {text("decay"), dict("shadow", {weights("e")})})})}, "ema")) ==
        Names{"e"});
  CHECK_THAT(refused_content({dict("net", {weights("n")})}, "nets"), Catch::Contains("no section 'nets'"));
  CHECK_THAT(refused_content({dict("netG", {weights("g")}), dict("netD", {weights("d")})}),
             Catch::Contains("sections netG, netD") && Catch::Contains("LoadOptions::section"));
  CHECK_THAT(refused_content({text("epoch"), dict("optimizer", {})}), Catch::Contains("'epoch' is no tensor"));
  // A flat dict of tensors with something else among them.
  file = parse_content({weights("w"), text("epoch"), dict("config", {text("lr")})});
  CHECK(names_of(file) == Names{"w"});
  CHECK(file.skipped == Names{"epoch", "config"});
  CHECK(file.section.empty());
}

TEST_CASE("dicts that hold each other are searched in the time of their size", "[weights]") {
  // 200 dicts, each with 200 entries that are all the next one: 200^4 paths of four levels.
  PickleWriter pickle;
  pickle.opcode("\x80\x02");
  for (int level = 0; level < 6; ++level) {
    pickle.opcode("}(");
    for (int i = 0; level > 0 && i < 200; ++i) {
      pickle.string("ema_" + std::to_string(i)).opcode(std::string("h") + static_cast<char>(level - 1));
    }
    pickle.opcode("uq").opcode(std::string(1, static_cast<char>(level)));
  }
  pickle.opcode(".");
  CHECK_THAT(refused({{"data.pkl", pickle.bytes()}}), Catch::Contains("no tensor"));
  CHECK_THAT(message_of<Error>([&] {
               static_cast<void>(pam::detail::parse_torch_zip(archive({{"data.pkl", pickle.bytes()}}), "absent"));
             }),
             Catch::Contains("no section 'absent'"));
}

TEST_CASE("what pam writes it reads, byte for byte the same each time, with metadata", "[weights]") {
  const TempDir folder;
  StateDict tensors;
  for (const auto& row : pam::detail::kElementTypes) {
    tensors.emplace_back(row.storage, torch::arange(6).reshape({2, 3}).to(row.type));
  }
  tensors.emplace_back("scalar", torch::tensor(2.5));
  tensors.emplace_back("empty", torch::empty({0, 3}));
  tensors.emplace_back("transposed", torch::arange(6).reshape({2, 3}).t());
  tensors.emplace_back("large", torch::arange(70'000));  // counts above 16 bits
  const Metadata metadata{{"pam.net", "{\"name\":\"fpa\"}"}, {"pam.reversed", "false"}};
  write_torch_zip(folder / "a.pt", tensors, metadata);
  write_torch_zip(folder / "b.pt", tensors, metadata);
  CHECK(test::read_bytes(folder / "a.pt") == test::read_bytes(folder / "b.pt"));
  const auto file = read_torch_zip(folder / "a.pt");
  CHECK(file.metadata == metadata);
  REQUIRE(file.tensors.size() == tensors.size());
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    CHECK(file.tensors[i].first == tensors[i].first);
    CHECK(file.tensors[i].second.scalar_type() == tensors[i].second.scalar_type());
    CHECK(torch::equal(file.tensors[i].second, tensors[i].second));
  }
  write_torch_zip(folder / "c.pt", {});
  CHECK(read_torch_zip(folder / "c.pt").tensors.empty());
  CHECK_THAT(message_of<Error>([&] { write_torch_zip(folder / "d.pt", {{"w", torch::Tensor()}}); }),
             Catch::Contains("undefined"));
}

TEST_CASE("damaged metadata beside the pickle are refused", "[weights]") {
  const auto with = [](const std::string& notes) {
    return refused({{"data.pkl", pickle(0, {4}, {1}, 4)}, {"data/0", kFour}, {"pam_metadata.json", notes}});
  };
  CHECK(with(R"({"__metadata__":{"pam.reversed":"true"}})") == "no error");
  CHECK_THAT(with(""), Catch::Contains("not JSON"));
  CHECK_THAT(with(std::string(100'000, '[')), Catch::Contains("an array"));
}

TEST_CASE("torch.load(weights_only=True) opens what pam writes as a plain dict, and pam what torch.save has just written", "[weights]") {
  if (!test::python_has("torch")) PAM_SKIP("Debian's python3-torch is absent");
  const TempDir folder;
  StateDict tensors;
  for (const auto& row : pam::detail::kElementTypes) {
    tensors.emplace_back(row.safetensors, torch::arange(6).reshape({2, 3}).to(row.type));
  }
  tensors.emplace_back("scalar", torch::tensor(2.5));
  tensors.emplace_back("empty", torch::empty({0, 3}));
  tensors.emplace_back("transposed", torch::arange(6).reshape({2, 3}).t());
  tensors.emplace_back("large", torch::arange(70'000));
  write_torch_zip(folder / "a.pt", tensors, {{"k", "v"}});
  const auto printed = test::run_python(R"PY(
import sys, torch
content = torch.load(sys.argv[1], weights_only=True)
assert type(content) is dict, type(content)
for name in ["F64", "F32", "F16", "BF16", "I64", "I32", "I16", "I8", "U8"]:
    assert content[name].tolist() == [[0, 1, 2], [3, 4, 5]], name
    print(name, content[name].dtype)
assert content["BOOL"].tolist() == [[False, True, True], [True, True, True]]
assert content["scalar"].item() == 2.5 and content["scalar"].shape == ()
assert content["empty"].shape == (0, 3)
assert content["transposed"].tolist() == [[0, 3], [1, 4], [2, 5]]
assert torch.equal(content["large"], torch.arange(70000))
layer = torch.nn.Linear(3, 2)
layer.load_state_dict({"weight": content["F32"], "bias": torch.zeros(2)})
# The other way: sizes and random values of the torch that is installed (the golden files hold the kinds).
torch.manual_seed(7)
net = torch.nn.Sequential(torch.nn.Conv2d(4, 300, 3), torch.nn.BatchNorm2d(300), torch.nn.LSTM(5, 6)).half()
torch.save({"epoch": 1, "model_state_dict": net.state_dict()}, sys.argv[2])
print(file=open(sys.argv[3], "w"), *[t.double().sum().item() for t in net.state_dict().values()])
)PY",
                                        {(folder / "a.pt").string(), (folder / "b.pt").string(), (folder / "sums").string()});
  CHECK(printed ==
        "F64 torch.float64\nF32 torch.float32\nF16 torch.float16\nBF16 torch.bfloat16\nI64 torch.int64\n"
        "I32 torch.int32\nI16 torch.int16\nI8 torch.int8\nU8 torch.uint8\n");
  const auto back = read_torch_zip(folder / "b.pt").tensors;
  std::istringstream sums([&] {
    const auto bytes = test::read_bytes(folder / "sums");
    return std::string(bytes.begin(), bytes.end());
  }());
  CHECK(back.size() == 11);
  for (const auto& [name, tensor] : back) {
    double sum = 0;
    sums >> sum;
    INFO(name);
    // Sums of at most 10,800 halves in double: exact to rounding in the order of 1e-12.
    CHECK(tensor.to(torch::kDouble).sum().item<double>() == Approx(sum).margin(1e-9));
  }
}
}  // namespace weights_torch_zip_test
