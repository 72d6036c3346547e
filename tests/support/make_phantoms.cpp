// SPDX-License-Identifier: MIT
/// Writes phantoms (support/phantom.hpp), data that look like a real data set's folder, for trying programs and for the
/// tests of documents and examples:
///   make_phantoms --layout brats --cases 8 --size 72x72 --slices 4 --out BRATS2018
///   make_phantoms --layout blurred --cases 200 --contrast 1 --blur 1.5 --out faint
#include "support/phantom.hpp"

#include <cstdio>
#include <cstdlib>
#include <functional>
#include <map>

namespace {

constexpr const char* kUsage =
    "usage: make_phantoms --layout LAYOUT --out DIR [--cases N] [--size HEIGHTxWIDTH] [--slices N] [--seed N]\n"
    "                     [--label N] [--contrast C] [--blur PIXELS]\n"
    "  --layout  brats, isles (ISLES 2018) or cityscapes: as downloaded; folder: images/ and labels/ of NIfTI "
    "volumes;\n"
    "            pictures: images/ and labels/ of PNG; blurred: the same with small blurred foregrounds in noise\n"
    "  --cases   how many; of cityscapes, in each of three cities (4)\n"
    "  --size    of a plane (the real data set's; folder, blurred: 64x64; pictures: 64x128)\n"
    "  --slices  of a volume (the real data set's; folder: 16)\n"
    "  --label   value of the foreground; folder and pictures alone (1)\n"
    "  --contrast, --blur  of blurred alone: height of the foreground in deviations of the noise (2), and the\n"
    "            deviation of its Gaussian blur in pixels (1.5)\n"
    "  --seed    other numbers make other phantoms (0)\n";

std::int64_t number(const std::string& flag, const std::string& word) {
  char* end = nullptr;
  const auto value = std::strtoll(word.c_str(), &end, 10);
  pam::check(end != word.c_str() && *end == '\0' && value >= 0 && value <= 100000,
             "{} {}: must be a whole number, 0 to 100000", flag, word);
  return value;
}

double decimal(const std::string& flag, const std::string& word) {
  char* end = nullptr;
  const auto value = std::strtod(word.c_str(), &end);
  pam::check(end != word.c_str() && *end == '\0', "{} {}: must be a number", flag, word);
  return value;
}

pam::PlaneSize plane(const std::string& flag, const std::string& word) {
  const auto cross = word.find('x');
  pam::check(cross != std::string::npos, "{} {}: must be HEIGHTxWIDTH, such as 72x72", flag, word);
  return {number(flag, word.substr(0, cross)), number(flag, word.substr(cross + 1))};
}

void make_phantoms(int argc, char** argv) {
  std::string layout, out, blurred_flag;
  pam::PhantomOptions options;
  const std::map<std::string, std::function<void(const std::string&)>> flags{
      {"--layout", [&](const auto& word) { layout = word; }},
      {"--out", [&](const auto& word) { out = word; }},
      {"--cases", [&](const auto& word) { options.cases = number("--cases", word); }},
      {"--size", [&](const auto& word) { options.plane = plane("--size", word); }},
      {"--slices", [&](const auto& word) { options.slices = number("--slices", word); }},
      {"--label", [&](const auto& word) { options.label = number("--label", word); }},
      {"--contrast", [&](const auto& word) { options.contrast = decimal("--contrast", word); }},
      {"--blur", [&](const auto& word) { options.blur = decimal("--blur", word); }},
      {"--seed", [&](const auto& word) { options.seed = static_cast<std::uint64_t>(number("--seed", word)); }}};
  for (int i = 1; i < argc; i += 2) {
    const auto flag = flags.find(argv[i]);
    pam::check(flag != flags.end(), "{}: there is no such option; make_phantoms --help shows all", argv[i]);
    pam::check(i + 1 < argc, "{}: its value is missing", argv[i]);
    flag->second(argv[i + 1]);
    const bool of_blurred = flag->first == "--contrast" || flag->first == "--blur";
    if (of_blurred) blurred_flag = flag->first;
  }
  pam::check(blurred_flag.empty() || layout == "blurred", "{}: is of --layout blurred alone", blurred_flag);
  pam::check(!out.empty(), "--out: name the folder to write into");
  const std::map<std::string, std::function<void()>> layouts{
      {"brats", [&] { pam::write_brats_phantom(out, options); }},
      {"isles", [&] { pam::write_isles_phantom(out, options); }},
      {"cityscapes", [&] { pam::write_cityscapes_phantom(out, options); }},
      {"folder", [&] { pam::write_folder_phantom(out, /*pictures=*/false, options); }},
      {"pictures", [&] { pam::write_folder_phantom(out, /*pictures=*/true, options); }},
      {"blurred", [&] { pam::write_blurred_phantom(out, options); }}};
  const auto found = layouts.find(layout);
  pam::check(found != layouts.end(), "--layout {}: must be brats, isles, cityscapes, folder, pictures or blurred",
             layout);
  found->second();
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 2 && std::string(argv[1]) == "--help") {
    std::fputs(kUsage, stdout);
    return 0;
  }
  try {
    make_phantoms(argc, argv);
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "error: %s\n", error.what());
    return 2;
  }
}
