// SPDX-License-Identifier: MIT
#include "comparison/hypotheses.hpp"

#include "cli/option_reader.hpp"
#include "report/run_record.hpp"

#include <pam/core/error.hpp>
#include <pam/core/nearest.hpp>
#include <pam/metrics/case_scores.hpp>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>
#include <set>
#include <utility>

namespace pam::apps {
namespace {

std::string content_of(const std::filesystem::path& path) {
  check(!std::filesystem::is_directory(path), "--hypotheses {}: is a folder; give the JSON file", path.string());
  std::ifstream in(path, std::ios::binary);
  check(in.is_open(), "--hypotheses {}: cannot be opened: {}", path.string(), std::strerror(errno));
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

/// Throws, with the nearest names, unless `word` is among `known`.
void check_known(const std::string& where, const std::string& word, const std::vector<std::string>& known) {
  check(std::find(known.begin(), known.end(), word) != known.end(),
        "{}: \"{}\" is unknown; did you mean {}? There are {}", where, word, nearest_names(word, known, 1).front(),
        joined(known, ", "));
}

void check_keys(const std::string& where, const nlohmann::json& json, const std::vector<std::string>& known) {
  check(json.is_object(), "{}: must be a JSON object with {}, got {}", where, joined(known, ", "), json.dump());
  for (const auto& item : json.items()) {
    check(std::find(known.begin(), known.end(), item.key()) != known.end(),
          "{}: there is no key \"{}\"; did you mean \"{}\"?", where, item.key(),
          nearest_names(item.key(), known, 1).front());
  }
}

std::string word_at(const std::string& where, const nlohmann::json& json, const char* key) {
  const auto found = json.find(key);
  check(found != json.end(), "{}: \"{}\" is missing", where, key);
  check(found->is_string() && !found->get<std::string>().empty(), "{}: \"{}\" must be a word, got {}", where, key,
        found->dump());
  return found->get<std::string>();
}

double number_at(const std::string& where, const nlohmann::json& json, const char* key, double otherwise) {
  const auto found = json.find(key);
  if (found == json.end()) return otherwise;
  check(found->is_number(), "{}: \"{}\" must be a number, got {}", where, key, found->dump());
  return found->get<double>();
}

std::int64_t count_at(const std::string& where, const nlohmann::json& json, const char* key, std::int64_t otherwise,
                      std::int64_t low, std::int64_t high) {
  const auto found = json.find(key);
  if (found == json.end()) return otherwise;
  const bool whole = found->is_number_integer();
  check(whole && *found >= low && *found <= high, "{}: \"{}\" must be a whole number, {} to {}, got {}", where, key,
        low, high, found->dump());
  return found->get<std::int64_t>();
}

/// "FN" and "FN at equal FP" are fn_percent and fn_at_equal_fp; other names are those of `case_metrics`, in any case.
std::string metric_name(const std::string& where, const std::string& word) {
  std::string name;
  for (const char c : word) {
    name += c == ' ' ? '_' : static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  }
  if (name == "fn" || name == "fp") name += "_percent";
  std::vector<std::string> known{"fn", "fp", kFnAtEqualFp};
  for (const auto& metric : case_metrics()) known.emplace_back(metric.key);
  check_known(where + ".metric", name, known);
  return name;
}

/// The JSON of a file in which no object may name a key twice: nlohmann would take the last.
nlohmann::json parsed(const std::string& text, const std::string& where) {
  std::vector<std::set<std::string>> keys;
  const auto unique = [&](int, nlohmann::json::parse_event_t event, const nlohmann::json& value) {
    if (event == nlohmann::json::parse_event_t::object_start) keys.emplace_back();
    if (event == nlohmann::json::parse_event_t::object_end) keys.pop_back();
    if (event == nlohmann::json::parse_event_t::key) {
      check(keys.back().insert(value.get<std::string>()).second, "{}: the key {} is there twice in one object", where,
            value.dump());
    }
    return true;
  };
  auto json = nlohmann::json::parse(text, unique, /*allow_exceptions=*/false, /*ignore_comments=*/true);
  check(!json.is_discarded(), "{}: is not JSON", where);
  return json;
}

/// Throws where two hypotheses are one test: tests are two-sided, so a direction or the order of the networks makes no
/// other (but for FN at equal FP, where the first network's threshold is moved).
void check_different(const std::string& where, const std::vector<Hypothesis>& list) {
  const auto& last = list.back();
  for (std::size_t i = 0; i + 1 < list.size(); ++i) {
    const auto& one = list[i];
    const bool same = one.net == last.net && one.against == last.against,
               mirrored = one.net == last.against && one.against == last.net && last.metric != kFnAtEqualFp;
    check(
        one.metric != last.metric || (!same && !mirrored),
        "{}: {} tests the same as {}: {} of {} and {}. Tests are two-sided, so that one hypothesis decides for either "
        "direction, and a second one would only weaken the others by Holm's correction; leave one out",
        where, last.id, one.id, last.metric, last.net, last.against);
  }
}

Hypothesis hypothesis_from(const nlohmann::json& json, const std::string& where, const std::vector<std::string>& nets) {
  check_keys(where, json, {"id", "claim", "metric", "net", "against", "direction"});
  Hypothesis hypothesis;
  hypothesis.id = word_at(where, json, "id");
  const auto plain = [](unsigned char c) { return std::isalnum(c) != 0 || c == '-' || c == '_'; };
  check(std::all_of(hypothesis.id.begin(), hypothesis.id.end(), plain),
        "{}.id: must be of letters, digits, - and _, since it names a file too; got \"{}\"", where, hypothesis.id);
  hypothesis.claim = word_at(where, json, "claim");
  hypothesis.metric = metric_name(where, word_at(where, json, "metric"));
  hypothesis.net = word_at(where, json, "net");
  hypothesis.against = word_at(where, json, "against");
  for (const auto& [key, net] : {std::pair{"net", hypothesis.net}, {"against", hypothesis.against}}) {
    check(std::find(nets.begin(), nets.end(), net) != nets.end(),
          "{}.{}: {} is not among the networks compared ({}); did you mean {}? --nets names what is compared", where,
          key, net, joined(nets, ", "), nearest_names(net, nets, 1).front());
  }
  check(hypothesis.net != hypothesis.against, "{}: compares {} with itself", where, hypothesis.net);
  const auto direction = word_at(where, json, "direction");
  check_known(where + ".direction", direction, {"less", "greater", "different"});
  hypothesis.direction = direction == "less"      ? Direction::Less
                         : direction == "greater" ? Direction::Greater
                                                  : Direction::Different;
  return hypothesis;
}

}  // namespace

std::string Hypotheses::fingerprint() const {
  detail::Fnv1a hash;
  hash.add(text.data(), text.size());
  return fmt::format("{:016x}", hash.value());
}

bool Hypotheses::need_validation() const {
  return std::any_of(list.begin(), list.end(), [](const auto& each) { return each.metric == kFnAtEqualFp; });
}

std::filesystem::path kept_hypotheses(const std::filesystem::path& out) { return out / "hypotheses.json"; }

Hypotheses read_hypotheses(const std::filesystem::path& path, const std::filesystem::path& kept,
                           const std::vector<std::string>& nets) {
  Hypotheses hypotheses;
  const bool gone = !std::filesystem::exists(path) && std::filesystem::exists(kept);
  hypotheses.file = (gone ? kept : path).string();
  hypotheses.text = content_of(hypotheses.file);
  const auto where = "--hypotheses " + hypotheses.file;
  const auto json = parsed(hypotheses.text, where);
  check_keys(where, json, {"hypotheses", "alpha", "resamples", "seed"});
  const auto list = json.value("hypotheses", nlohmann::json());
  check(list.is_array() && !list.empty(), "{}: \"hypotheses\" must be a list of at least one, got {}", where,
        list.dump());
  std::set<std::string> ids;
  for (std::size_t i = 0; i < list.size(); ++i) {
    const auto place = fmt::format("{}: hypotheses[{}]", where, i);
    hypotheses.list.push_back(hypothesis_from(list[i], place, nets));
    check(ids.insert(hypotheses.list.back().id).second, "{}: the id {} is there twice", place,
          hypotheses.list.back().id);
    check_different(place, hypotheses.list);
  }
  hypotheses.alpha = number_at(where, json, "alpha", hypotheses.alpha);
  check(hypotheses.alpha > 0 && hypotheses.alpha < 0.5, "{}: \"alpha\" must be above 0 and below 0.5, got {}", where,
        hypotheses.alpha);
  auto& bootstrap = hypotheses.bootstrap;
  bootstrap.resamples = count_at(where, json, "resamples", bootstrap.resamples, 100, 1000000);
  bootstrap.seed = static_cast<std::uint64_t>(count_at(where, json, "seed", 0, 0, 1000000000));
  return hypotheses;
}

void check_same_hypotheses(const std::filesystem::path& out, const Hypotheses* now) {
  if (!std::filesystem::exists(config_path(out))) return;
  const auto kept = kept_hypotheses(out);
  const bool had = std::filesystem::exists(kept);
  check(had || now == nullptr,
        "--hypotheses {}: the comparison in {} was begun without hypotheses, and hypotheses are fixed before the runs; "
        "leave them out, or start again with --overwrite or another --out",
        now == nullptr ? "" : now->file, out.string());
  check(!had || now != nullptr,
        "--resume: the comparison in {} was begun with hypotheses; give them again: --hypotheses {}", out.string(),
        kept.string());
  check(!had || content_of(kept) == now->text,
        "--hypotheses {}: differs from {}, with which the comparison was begun, and hypotheses are fixed before the "
        "runs; take the changes back, or start again with --overwrite or another --out",
        now == nullptr ? "" : now->file, kept.string());
}

}  // namespace pam::apps
