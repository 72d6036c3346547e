// SPDX-License-Identifier: MIT
#include <pam/weights/detail/unpickle.hpp>

#include <pam/weights/detail/pickle_writer.hpp>

#include "support/bytes.hpp"
#include "support/catch.hpp"

namespace weights_unpickle_test {
using namespace pam;
using namespace std::string_literals;
using pam::detail::PickleData;
using pam::detail::PickleValue;
using pam::detail::PickleWriter;
using Kind = PickleValue::Kind;

/// The pickle must outlive the result, which holds views of it.
PickleData run(const std::string& pickle) {
  return pam::detail::Unpickler("a.pt", reinterpret_cast<const std::uint8_t*>(pickle.data()), pickle.size()).run();
}
std::string refusal(const std::string& pickle) {
  return test::message_of<Error>([&] { run(pickle); });
}

TEST_CASE("constants, containers and the memo work as Python's pickletools say", "[weights]") {
  const auto kind = [](const std::string& pickle) { return run("\x80\x02" + pickle + ".").root.kind; };
  const auto number = [](const std::string& pickle) { return run("\x80\x02" + pickle + ".").root.number; };
  CHECK(kind("N") == Kind::kNone);
  CHECK(number("\x88") == 1);
  CHECK(number("\x89") == 0);
  CHECK(number("K\xFF") == 255);
  CHECK(number("M\x34\x12") == 0x1234);
  CHECK(number("J\xFE\xFF\xFF\xFF") == -2);
  CHECK(number("\x8a\x00"s) == 0);
  CHECK(number("\x8a\x01\xFF") == -1);
  CHECK(number("\x8a\x08\x00\x00\x00\x00\x00\x00\x00\x40"s) == (std::int64_t{1} << 62));
  CHECK(kind("\x8a\x09\x00\x00\x00\x00\x00\x00\x00\x00\x01"s) == Kind::kOpaque);  // 2**64: no count of ours
  CHECK(kind("G\x3f\xf0\x00\x00\x00\x00\x00\x00"s) == Kind::kFloat);
  CHECK(kind("(K\x01K\x02t") == Kind::kTuple);
  CHECK(kind("]") == Kind::kList);

  const auto dict = "\x80\x02}(U\x01" "aK\x01X\x01\x00\x00\x00" "bK\x02u."s;
  const auto data = run(dict);
  CHECK(data.find(data.root, "a")->number == 1);
  CHECK(data.find(data.root, "b")->number == 2);
  CHECK(data.find(data.root, "c") == nullptr);

  const auto list = run("\x80\x02]q\x00K\x05" "ah\x00K\x06" "a."s);  // the memo names the same list
  REQUIRE(list.items[list.root.index].size() == 2);
  const auto own = run("\x80\x02]q\x00h\x00" "a."s);  // a list that holds itself
  CHECK(own.items[own.root.index][0].index == own.root.index);
  CHECK(run("\x80\x02]r\x10\x00\x00\x00j\x10\x00\x00\x00."s).root.kind == Kind::kList);
}

TEST_CASE("names of the allow-list do what weights need and no more", "[weights]") {
  CHECK(run("\x80\x02" "ccollections\nOrderedDict\n)R}b.").root.kind == Kind::kDict);
  CHECK(run("\x80\x02" "cargparse\nNamespace\n)\x81}b.").root.kind == Kind::kOpaque);
  CHECK(run("\x80\x02" "c__builtin__\nset\n](K\x01" "e\x85R.").root.kind == Kind::kOpaque);
  CHECK(run("\x80\x02" "ctorch\nSize\n(K\x02t\x85R.").root.kind == Kind::kTuple);
  CHECK(run("\x80\x02" "ctorch\nfloat32\n.").root.kind == Kind::kGlobal);
  for (const auto* name : {"pathlib\nPosixPath\n", "pathlib._local\nWindowsPath\n", "datetime\ndatetime\n",
                           "datetime\ntimezone\n", "builtins\nfrozenset\n", "collections\ndeque\n"}) {
    CHECK(run("\x80\x02" "c"s + name + ")R.").root.kind == Kind::kOpaque);
  }
}

TEST_CASE("a pickle that would run code is refused by the name it asks for", "[weights]") {
  // pickle.dumps of an object whose __reduce__ is (os.system, ("touch pam-pwned",)), protocol 2
  const auto attack = "\x80\x02" "cposix\nsystem\nq\x00X\x0f\x00\x00\x00touch pam-pwnedq\x01\x85q\x02Rq\x03."s;
  CHECK_THAT(refusal(attack), Catch::Contains("a.pt") && Catch::Contains("posix.system") &&
                                  Catch::Contains("export_weights.py"));
  CHECK_FALSE(std::filesystem::exists("pam-pwned"));
  for (const auto* name : {"builtins\neval\n", "builtins\nexec\n", "builtins\ngetattr\n", "os\nsystem\n",
                           "subprocess\nPopen\n", "torch\nload\n", "torch.hub\nload\n", "torch._utils\n_import_dotted_name\n",
                           "collections\nnamedtuple\n", "numpy\nload\n", "torch.nn.modules.conv\nConv2d\n", "\n\n",
                           "collections\nOrderedDict \n", " collections\nOrderedDict\n"}) {
    INFO(name);
    CHECK_THAT(refusal("\x80\x02" "c"s + name + ")R."), Catch::Contains("holds a Python object"));
  }
}

TEST_CASE("opcodes outside the allow-list are refused, each of the 256 without a crash", "[weights]") {
  for (int opcode = 0; opcode < 256; ++opcode) {
    INFO(opcode);
    const std::string code(1, static_cast<char>(opcode));
    for (const std::string& before : {""s, "N"s, "(N"s, "]N"s, "}NN"s, "))"s}) {
      refusal("\x80\x02" + before + code + std::string(20, '\0') + ".");
      refusal("\x80\x02" + before + code);
    }
  }
  // INST, OBJ, EXT1 to EXT4, NEWOBJ_EX, LONG4, out-of-band buffers, PERSID and the text forms
  for (const char opcode : {'i', 'o', '\x82', '\x83', '\x84', 'P', 'I', 'F', 'V', 'S', 'd', 'l', 'p', 'g', '0', '1', '2',
                            '\x92', '\x8b', '\x97', '\x98'}) {
    CHECK_THAT(refusal("\x80\x02"s + opcode), Catch::Contains("opcode 0x"));
  }
  for (const char protocol : {'\0', '\1', '\6', '\xff'}) {
    CHECK_THAT(refusal("\x80"s + protocol + "N."), Catch::Contains("protocol") && Catch::Contains("export_weights.py"));
  }
}

TEST_CASE("the opcodes of protocols 3 to 5 work as Python's pickletools say", "[weights]") {
  const auto kind = [](const std::string& pickle) { return run("\x80\x05" + pickle + ".").root.kind; };
  CHECK(kind("\x95\x02\0\0\0\0\0\0\0N"s) == Kind::kNone);  // FRAME
  CHECK(kind("C\x02zz") == Kind::kOpaque);
  CHECK(kind("B\x02\0\0\0zz"s) == Kind::kOpaque);
  CHECK(kind("\x8e\x02\0\0\0\0\0\0\0zz"s) == Kind::kOpaque);  // BINBYTES8
  CHECK(kind("\x96\x02\0\0\0\0\0\0\0zz"s) == Kind::kOpaque);  // BYTEARRAY8
  CHECK(kind("\x8f(K\x01K\x02\x90") == Kind::kOpaque);           // a set and its items
  CHECK(kind("(K\x01K\x02\x91") == Kind::kOpaque);               // a frozenset
  const auto text = "\x80\x04}(\x8c\x01" "aK\x01\x8d\x01\0\0\0\0\0\0\0" "bK\x02u."s;
  const auto data = run(text);
  CHECK(data.find(data.root, "a")->number == 1);
  CHECK(data.find(data.root, "b")->number == 2);
  // MEMOIZE counts the entries that are set, wherever PUT has put others.
  CHECK(run("\x80\x04K\x05\x94K\x06\x94h\x01."s).root.number == 6);
  CHECK(run("\x80\x04K\x05q\x07K\x06\x94h\x01."s).root.number == 6);
  CHECK(run("\x80\x04K\x05q\x00K\x07q\x00K\x06\x94h\x01."s).root.number == 6);
  const auto global = [](const std::string& module, const std::string& name) {
    const auto word = [](const std::string& s) { return "\x8c" + std::string(1, static_cast<char>(s.size())) + s; };
    return "\x80\x04" + word(module) + word(name) + "\x93";
  };
  CHECK(run(global("collections", "OrderedDict") + ")R.").root.kind == Kind::kDict);
  // The same allow-list, whatever the protocol.
  for (const auto& [module, name] : std::vector<std::pair<std::string, std::string>>{
           {"posix", "system"}, {"builtins", "eval"}, {"builtins", "getattr"}, {"torch", "load"}, {"pathlib", "os"},
           {"datetime", "sys"}, {"datetime", "datetime.now"}, {"", ""}, {"collections\nOrderedDict", ""}}) {
    CHECK_THAT(refusal(global(module, name) + ")R."), Catch::Contains("holds a Python object"));
  }
  CHECK_THAT(refusal("\x80\x04NN\x93."), Catch::Contains("no text"));
  CHECK_THAT(refusal("\x80\x04\x93."), Catch::Contains("a value is missing"));
  CHECK_THAT(refusal("\x80\x04\x94."), Catch::Contains("a value is missing"));
  CHECK_THAT(refusal("\x80\x04\x95\xff\xff\xff\xff\xff\xff\xff\xffN."), Catch::Contains("frame is cut short"));
  for (const char opcode : {'\x8d', '\x8e', '\x96'}) {
    CHECK_THAT(refusal("\x80\x04"s + opcode + "\xff\xff\xff\xff\xff\xff\xff\xff."), Catch::Contains("cut short"));
    CHECK_THAT(refusal("\x80\x04"s + opcode + "\x05\0\0\0\0\0\0\0abc."s), Catch::Contains("cut short"));
  }
  CHECK_THAT(refusal("\x80\x04](N\x90."), Catch::Contains("no set"));
  CHECK_THAT(refusal("\x80\x04\x90."), Catch::Contains("a mark is missing"));
}

TEST_CASE("damage is refused with its place", "[weights]") {
  CHECK_THAT(refusal(""), Catch::Contains("cut short at byte 0"));
  CHECK_THAT(refusal("\x80\x02"), Catch::Contains("cut short"));
  CHECK_THAT(refusal("\x80\x02."), Catch::Contains("a value is missing"));
  CHECK_THAT(refusal("\x80\x02t."), Catch::Contains("a mark is missing"));
  CHECK_THAT(refusal("\x80\x02N(\x85."), Catch::Contains("a value is missing"));  // not below the mark
  CHECK_THAT(refusal("\x80\x02X\xFF\xFF\xFF\xFF."), Catch::Contains("cut short"));
  CHECK_THAT(refusal("\x80\x02h\x07."), Catch::Contains("memo lacks"));
  CHECK_THAT(refusal("\x80\x02Nq\x05h\x04."), Catch::Contains("memo lacks"));
  CHECK_THAT(refusal("\x80\x02Nr\xFF\xFF\xFF\xFF."), Catch::Contains("memo is too large"));
  CHECK_THAT(refusal("\x80\x02NK\x01" "a."), Catch::Contains("no list"));
  CHECK_THAT(refusal("\x80\x02]NNs."), Catch::Contains("no dict"));
  CHECK_THAT(refusal("\x80\x02}(Nu."), Catch::Contains("key without a value"));
  CHECK_THAT(refusal("\x80\x02N)R."), Catch::Contains("no known name"));
  CHECK_THAT(refusal("\x80\x02" "ccollections\nOrderedDict\nNR."), Catch::Contains("no tuple"));
  CHECK_THAT(refusal("\x80\x02" "ccollections\nOrder"), Catch::Contains("cut short"));
  CHECK_THAT(refusal("\x80\x02NNb."), Catch::Contains("without one"));
  CHECK_THAT(refusal("\x80\x02NQ."), Catch::Contains("no tuple"));
  CHECK_THAT(refusal("\x80\x02)Q."), Catch::Contains("storage that is not described"));
  CHECK_THAT(refusal("\x80\x02" "ctorch._utils\n_rebuild_tensor_v2\n)R."), Catch::Contains("tensor that is not described"));
  CHECK_THAT(refusal("\x80\x02" "ctorch._utils\n_rebuild_parameter\n)R."), Catch::Contains("parameter without"));
}

/// `_rebuild_tensor_v2(storage of 4 floats, offset, sizes, strides)`
std::string tensor(std::int64_t offset, at::IntArrayRef sizes, at::IntArrayRef strides, std::int64_t count = 4) {
  PickleWriter pickle;
  pickle.opcode("\x80\x02").global("torch._utils", "_rebuild_tensor_v2").opcode("((").string("storage");
  pickle.global("torch", "FloatStorage").string("0").string("cpu").integer(count).opcode("tQ").integer(offset);
  pickle.integers(sizes).integers(strides).opcode("tR.");
  return pickle.bytes();
}

TEST_CASE("tensors are described, with counts that are counts", "[weights]") {
  const auto text = tensor(1, {1, 3}, {3, 1});
  const auto data = run(text);
  REQUIRE(data.tensors.size() == 1);
  CHECK(data.tensors[0].offset == 1);
  CHECK(data.tensors[0].sizes == std::vector<std::int64_t>{1, 3});
  CHECK(data.storages[0].count == 4);
  CHECK_THAT(refusal(tensor(-1, {1}, {1})), Catch::Contains("not described"));
  CHECK_THAT(refusal(tensor(0, {-1}, {1})), Catch::Contains("no count"));
  CHECK_THAT(refusal(tensor(0, {1}, {-1})), Catch::Contains("no count"));
  CHECK_THAT(refusal(tensor(0, {1, 1}, {1})), Catch::Contains("different lengths"));
  CHECK_THAT(refusal(tensor(0, {1}, {1}, -5)), Catch::Contains("storage that is not described"));
  const std::vector<std::int64_t> many(65, 1);
  CHECK_THAT(refusal(tensor(0, many, many)), Catch::Contains("64 dimensions"));
}

TEST_CASE("what a pickle can build is bounded", "[weights]") {
  CHECK_THAT(refusal("\x80\x02" + std::string(2'000, '(')), Catch::Contains("nested too deeply"));
  CHECK_THAT(refusal("\x80\x02" + std::string(300'000, 'N')), Catch::Contains("too many values"));
  CHECK_THAT(refusal("\x80\x02N" + std::string(400'000, '\x85')), Catch::Contains("too many containers"));
  std::string appends = "\x80\x02]";
  for (int i = 0; i < 600'000; ++i) appends += "Na";
  CHECK_THAT(refusal(appends), Catch::Contains("too many values"));
  // Doubling by copy: d = OrderedDict(d) after d.update({…}) cannot outrun the count.
  std::string doubling = "\x80\x02}(";
  for (int i = 0; i < 1000; ++i) doubling += "NN";
  doubling += "uq";
  doubling += '\0';
  for (int i = 0; i < 1000; ++i) doubling += "ccollections\nOrderedDict\nh\0\x85R"s;
  CHECK_THAT(refusal(doubling), Catch::Contains("too many values"));
  // A tower of 200,000 tuples is torn down without recursion.
  CHECK(run("\x80\x02N" + std::string(200'000, '\x85') + ".").root.kind == Kind::kTuple);
}
}  // namespace weights_unpickle_test
