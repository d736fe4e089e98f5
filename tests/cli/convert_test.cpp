// `longhaul convert` as a user meets it. Checkpoints are written, and state dicts read back, by the torch of Python.
#include <bit>
#include <cstring>
#include <filesystem>

#include "base/json.h"
#include "io/safetensors.h"
#include "io/torch_file.h"
#include "models/models.h"
#include "program_test.h"
#include "toy_checkpoint.h"

namespace longhaul {
namespace {

// A Python that imports torch: that of the environment which holds LibTorch, or the one on the path.
std::string python() {
  static const std::string found = [] {
    for (const std::string& name : {std::string(LH_TORCH_ROOT "/../../../../bin/python3"), std::string("python3")}) {
      if (std::system(("'" + name + "' -W ignore -c 'import torch' > /dev/null 2>&1").c_str()) == 0) return name;
    }
    return std::string();
  }();
  return found;
}

class Convert : public ProgramTest {
 protected:
  int convert(const std::string& arguments) { return run("convert " + arguments); }
  void run_python(const std::string& script) {
    write_file(folder_ / "script.py", "import collections, torch\ntorch.manual_seed(1)\n" + script);
    ASSERT_EQ(run_shell("'" + python() + "' -W ignore script.py"), 0) << err_;
  }
  // A model of ours with everything drawn, as the run directory `name`.
  void make_run(const std::string& name, const std::string& position, const std::string& arch) {
    ModelOptions options;
    options.position = position;
    options.vocab = 61;
    options.trained_length = 32;
    options.seed = 3;
    save_model(*create_model(arch, options), folder_ / name);
  }
  std::string weights(const std::string& run) { return read_file(folder_ / (run + "/model.safetensors")); }
};

constexpr const char* kSmall = "gpt:layers=2,width=128,heads=2";

TEST_F(Convert, ThereAndBackIsTheSameModel) {
  struct Row {
    const char *position, *arguments;
  };
  const Row rows[] = {{"cable", "--pos cable --block-size 32"},
                      {"cable:variant=nw", "--pos cable:variant=nw --block-size 32"},
                      {"learned", ""},
                      {"alibi:variant=upstream", "--pos alibi:variant=upstream --block-size 32 --heads 2"},
                      {"t5:variant=upstream", "--block-size 32"},
                      {"kerple", "--block-size 32"},
                      {"fire:variant=upstream", "--block-size 32"},
                      {"alibi2", "--block-size 32"},
                      {"dape:base=(alibi:variant=upstream),variant=upstream", "--block-size 32"},
                      {"dape:base=(kerple),variant=upstream", "--block-size 32"},
                      {"dape:base=(fire:variant=upstream),variant=upstream", "--block-size 32"},
                      {"dape:base=(cable:variant=nw),variant=upstream",
                       "--pos 'dape:base=(cable:variant=nw),variant=upstream' --block-size 32"}};
  int number = 0;
  for (const Row& row : rows) {
    std::string name = str("run", ++number);
    make_run(name, row.position, kSmall);
    ASSERT_EQ(convert(name + " " + name + ".pt --format state_dict"), 0) << err_;
    ASSERT_EQ(convert(name + ".pt back-" + name + " " + row.arguments), 0) << err_;
    EXPECT_EQ(weights("back-" + name), weights(name)) << row.position;
    Json wanted = read_json(folder_ / (name + "/config.json")),
         found = read_json(folder_ / ("back-" + name + "/config.json"));
    wanted.erase("label");
    found.erase("label");
    EXPECT_EQ(found, wanted);
  }
}

TEST_F(Convert, TorchReadsWhatWeWriteBitForBit) {
  if (python().empty()) GTEST_SKIP() << "no Python that imports torch";
  make_run("run", "cable", kSmall);
  ASSERT_EQ(convert("run out.pt --format state_dict"), 0) << err_;
  run_python(R"(
state = torch.load('out.pt', weights_only=True)
assert type(state) is collections.OrderedDict and not any(t.requires_grad for t in state.values())
assert state['lm_head.weight'].data_ptr() == state['transformer.wte.weight'].data_ptr()
for name, tensor in sorted(state.items()):
    print(name, list(tensor.shape), bytes(tensor.contiguous().view(torch.uint8).flatten().tolist()).hex())
)");
  SafetensorsFile file = SafetensorsFile::open(folder_ / "run/model.safetensors");
  std::map<std::string, std::string> theirs;
  for (const std::string& line : split(out_, '\n')) {
    size_t space = line.find(' '), last = line.rfind(' ');
    if (space != std::string::npos) theirs[line.substr(0, space)] = line.substr(last + 1);
  }
  theirs.erase("lm_head.weight");
  ASSERT_EQ(theirs.size(), file.names().size());
  for (const std::string& name : file.names()) {
    std::string hex;
    for (std::byte byte : file.at(name).bytes) {
      char digits[3];
      std::snprintf(digits, sizeof digits, "%02x", static_cast<int>(byte));
      hex += digits;
    }
    EXPECT_EQ(theirs.at(name), hex) << name;
  }
}

// The second release's constants and first release's names, under torch.compile's prefix, in both formats of torch.save,
// transposed in memory: the weights of one model of ours.
TEST_F(Convert, TheAuthorsNamesPrefixesAndConstantsAreUnderstood) {
  if (python().empty()) GTEST_SKIP() << "no Python that imports torch";
  make_run("run", "cable:variant=v1a", kSmall);
  ASSERT_EQ(convert("run ours.pt --format state_dict"), 0) << err_;
  run_python(R"(
state = torch.load('ours.pt', weights_only=True)
theirs = collections.OrderedDict()
for name, tensor in state.items():
    theirs['_orig_mod.module.' + name.replace('cable_layer', 'b_attn')] = torch.nn.Parameter(tensor.t().contiguous().t())
for layer in range(2):
    theirs['_orig_mod.module.transformer.h.%d.attn.bias' % layer] = torch.tril(torch.ones(32, 32)).view(1, 1, 32, 32)
torch.save({'model': theirs, 'step': 7, 'val_loss': 3.5}, 'zip.pt')
torch.save({'model': theirs, 'step': 7, 'val_loss': 3.5}, 'old.pt', _use_new_zipfile_serialization=False)
rope = collections.OrderedDict((k, v) for k, v in state.items() if 'cable_layer' not in k)
for layer in range(2):
    rope['transformer.h.%d.attn.rotary_emb.freqs' % layer] = 1.0 / (10000 ** (torch.arange(0, 64, 2).float() / 64))
torch.save(rope, 'rope.pt')
rope['transformer.h.0.attn.rotary_emb.freqs'][3] *= 1.01
torch.save(rope, 'other-theta.pt')
torch.save({'model': theirs, 'optimizer': print}, 'code.pt')
)");
  for (const char* name : {"zip", "old"}) {
    ASSERT_EQ(convert(str(name, ".pt ", name)), 0) << err_;
    EXPECT_EQ(weights(name), weights("run")) << name;
    EXPECT_TRUE(contains(out_, "position: cable:variant=v1a, from b_attn\n")) << out_;
    EXPECT_TRUE(contains(out_, "heads: 2, from cable_layer.weight\n")) << out_;
    EXPECT_TRUE(contains(out_, "trained length: 32, from the causal mask\n")) << out_;
  }
  ASSERT_EQ(convert("rope.pt rope --block-size 32 --json"), 0) << err_;
  EXPECT_EQ(parse_json(out_, "stdout")["config"]["position"], "rope:variant=upstream");
  EXPECT_EQ(convert("other-theta.pt other --block-size 32"), 2);
  EXPECT_TRUE(contains(err_, "other-theta.pt: transformer.h.0.attn.rotary_emb.freqs[3]: wanted 10000^(-2k/64)"))
      << err_;
  EXPECT_EQ(convert("code.pt code"), 2);
  EXPECT_TRUE(contains(err_, "names __builtin__.print, which a file of tensors does not need: refused")) << err_;
}

// The upper half of the bits, rounded to nearest, ties to even.
uint16_t bf16_of(float value) {
  const auto bits = std::bit_cast<uint32_t>(value);
  return static_cast<uint16_t>((bits + 0x7FFF + (bits >> 16 & 1)) >> 16);
}

std::vector<NamedTensor> tensors_of(const SafetensorsFile& file) {
  std::vector<NamedTensor> tensors;
  for (const auto& [name, view] : file.tensors()) tensors.push_back({name, view.dtype, view.shape, view.bytes});
  return tensors;
}

// bins/ and shards/ under `folder`: every other tensor in each of two files.
void write_parts(const TemporaryFolder& folder, const Json& config, const std::vector<NamedTensor>& tensors) {
  Json bin_index = Json::object(), index = Json::object();
  std::vector<NamedTensor> parts[2];
  for (size_t i = 0; i < tensors.size(); ++i) {
    parts[i % 2].push_back(tensors[i]);
    index[tensors[i].name] = str("part", i % 2, ".safetensors");
    bin_index[tensors[i].name] = str("part", i % 2, ".bin");
  }
  for (const char* name : {"bins", "shards"}) {
    make_folders(folder / name);
    write_json(folder / (std::string(name) + "/config.json"), config);
  }
  for (size_t i = 0; i < 2; ++i) {
    write_torch_file(folder / str("bins/part", i, ".bin"), parts[i]);
    write_safetensors(folder / str("shards/part", i, ".safetensors"), parts[i]);
  }
  write_json(folder / "bins/pytorch_model.bin.index.json", {{"weight_map", bin_index}});
  write_json(folder / "shards/model.safetensors.index.json", {{"weight_map", index}});
}

TEST_F(Convert, AFolderBecomesOneFileInAnyDtype) {
  toy_checkpoint("llama").write(folder_ / "llama");
  const std::string whole = folder_ / "llama/model.safetensors";
  const SafetensorsFile file = SafetensorsFile::open(whole);
  Json config = read_json(folder_ / "llama/config.json");
  config["torch_dtype"] = "float32";
  write_json(folder_ / "llama/config.json", config);
  write_file(folder_ / "llama/tokenizer.json", "{}");
  write_file(folder_ / "llama/weights.h5", "not copied");
  const std::vector<NamedTensor> tensors = tensors_of(file);
  write_parts(folder_, config, tensors);

  for (const char* name : {"llama", "bins", "shards"}) {
    ASSERT_EQ(convert(str(name, " ", name, "-out")), 0) << err_;
    const SafetensorsFile made = SafetensorsFile::open(folder_ / str(name, "-out/model.safetensors"));
    ASSERT_EQ(made.names(), file.names()) << name;
    for (const auto& [key, view] : file.tensors())
      EXPECT_EQ(std::memcmp(made.at(key).bytes.data(), view.bytes.data(), view.bytes.size()), 0) << name << " " << key;
    EXPECT_EQ(read_json(folder_ / str(name, "-out/config.json")), config);
    EXPECT_EQ(list_files(folder_ / str(name, "-out")).size(), std::string(name) == "llama" ? 3u : 2u);
  }
  EXPECT_EQ(read_file(folder_ / "llama-out/tokenizer.json"), "{}");

  ASSERT_EQ(convert("bins half --dtype bf16"), 0) << err_;
  EXPECT_TRUE(contains(out_, str("F32 -> BF16: ", tensors.size(), " tensors\n"))) << out_;
  EXPECT_EQ(read_json(folder_ / "half/config.json")["torch_dtype"], "bfloat16");
  const SafetensorsFile half = SafetensorsFile::open(folder_ / "half/model.safetensors");
  for (const auto& [key, view] : file.tensors()) {
    ASSERT_EQ(half.at(key).dtype, DType::bf16);
    const auto* from = reinterpret_cast<const float*>(view.bytes.data());
    const auto* to = reinterpret_cast<const uint16_t*>(half.at(key).bytes.data());
    for (int64_t i = 0; i < view.numel(); ++i) ASSERT_EQ(to[i], bf16_of(from[i])) << key << " " << i;
  }
  load_model(folder_ / "half");
  ASSERT_EQ(convert("shards none --dtype bf16 --dry-run"), 0) << err_;
  EXPECT_FALSE(exists(folder_ / "none"));
  EXPECT_EQ(convert("llama half"), 2);
  EXPECT_TRUE(contains(err_, "half exists already")) << err_;
  EXPECT_EQ(convert("llama none --pos rope"), 2);
  EXPECT_TRUE(contains(err_, "a model directory says them itself")) << err_;
  // What does not fit its config is not written.
  config["num_hidden_layers"] = 1;
  write_json(folder_ / "shards/config.json", config);
  EXPECT_EQ(convert("shards none"), 2);
  EXPECT_TRUE(contains(err_, "unknown model.layers.1.")) << err_;
  EXPECT_FALSE(exists(folder_ / "none"));
}

// --dtype is for numbers with a fraction; what no model here reads is converted all the same.
TEST_F(Convert, ADtypeChangesFloatingTensorsAloneAndTheirNameInTheConfig) {
  const std::vector<float> numbers = {1.5F, -2, 0.1F, 3, 1e30F, 0};
  const std::vector<int64_t> ids = {7, -1, int64_t{1} << 60};
  make_folders(folder_ / "other");
  write_safetensors(folder_ / "other/model.safetensors",
                    {NamedTensor{"ids", DType::i64, {3}, std::as_bytes(std::span(ids))},
                     NamedTensor{"w", DType::f32, {2, 3}, std::as_bytes(std::span(numbers))}});
  write_json(folder_ / "other/config.json", {{"model_type", "somebody-elses"}, {"dtype", "float32"}});
  write_json(folder_ / "other/.hidden.json", {{"kept", false}});
  make_folders(folder_ / "other/notes.txt");  // a folder is no small file
  ASSERT_EQ(convert("other wide --dtype f64"), 0) << err_;
  EXPECT_TRUE(contains(out_, "F32 -> F64: 1 tensors\n")) << out_;
  EXPECT_TRUE(contains(out_, "no model that longhaul runs")) << out_;
  EXPECT_EQ(read_json(folder_ / "wide/config.json")["dtype"], "float64");
  EXPECT_FALSE(read_json(folder_ / "wide/config.json").contains("torch_dtype"));
  EXPECT_EQ(list_files(folder_ / "wide").size(), 2u);
  const SafetensorsFile wide = SafetensorsFile::open(folder_ / "wide/model.safetensors");
  ASSERT_EQ(wide.at("ids").dtype, DType::i64);
  EXPECT_EQ(std::memcmp(wide.at("ids").bytes.data(), ids.data(), sizeof(int64_t) * ids.size()), 0);
  ASSERT_EQ(wide.at("w").dtype, DType::f64);
  const auto* doubles = reinterpret_cast<const double*>(wide.at("w").bytes.data());
  for (size_t i = 0; i < numbers.size(); ++i) EXPECT_EQ(doubles[i], static_cast<double>(numbers[i])) << i;
  ASSERT_EQ(convert("wide back --dtype f32"), 0) << err_;
  EXPECT_EQ(read_json(folder_ / "back/config.json")["dtype"], "float32");
  const SafetensorsFile back = SafetensorsFile::open(folder_ / "back/model.safetensors");
  ASSERT_EQ(back.at("w").dtype, DType::f32);
  EXPECT_EQ(std::memcmp(back.at("w").bytes.data(), numbers.data(), sizeof(float) * numbers.size()), 0);
}

// native/ under `folder`; its config.
Json write_native_mamba(const TemporaryFolder& folder) {
  const std::vector<float> values(64 * 16, 0.5F);
  const auto bytes = std::as_bytes(std::span(values));
  auto tensor = [&](const std::string& name, int64_t rows, int64_t columns) {
    return NamedTensor{name, DType::f32, {rows, columns}, bytes.first(static_cast<size_t>(rows * columns * 4))};
  };
  std::vector<NamedTensor> tensors = {tensor("backbone.embedding.weight", 24, 16),
                                      tensor("backbone.layers.0.mixer.in_proj.weight", 64, 16),
                                      tensor("backbone.norm_f.weight", 1, 16), tensor("lm_head.weight", 24, 16)};
  make_folders(folder / "native");
  write_torch_file(folder / "native/pytorch_model.bin", tensors);
  const Json config = {
      {"d_model", 16}, {"n_layer", 1}, {"vocab_size", 23}, {"ssm_cfg", Json::object()}, {"rms_norm", true}};
  write_json(folder / "native/config.json", config);
  return config;
}

// Zeros of 4 GiB, which lie on no disk: seconds of work, of which the signal sees the beginning.
TEST_F(Convert, AStopSignalLeavesNothing) {
  make_folders(folder_ / "big");
  write_json(folder_ / "big/config.json", {{"model_type", "unheard-of"}});
  constexpr int64_t kTensors = 256, kNumbers = 1 << 22;
  Json header = Json::object();
  for (int64_t i = 0; i < kTensors; ++i)
    header[str("t", i)] = {
        {"dtype", "F32"}, {"shape", {kNumbers}}, {"data_offsets", {i * kNumbers * 4, (i + 1) * kNumbers * 4}}};
  const std::string text = header.dump();
  const uint64_t length = text.size();
  std::string bytes(reinterpret_cast<const char*>(&length), sizeof length);
  const std::string file = folder_ / "big/model.safetensors";
  write_file(file, bytes + text);
  std::filesystem::resize_file(file, bytes.size() + text.size() + kTensors * kNumbers * 4);
  const std::string talk = "('" LH_PROGRAM
                           "' convert big out & while kill -0 $! && [ -z \"$(ls | grep out.)\" ]; do sleep 0.01; done;"
                           " kill -TERM $!; wait $!)";
  EXPECT_EQ(run_shell(talk), 130) << err_;
  EXPECT_TRUE(contains(err_, "stopped by SIGTERM; nothing was written")) << err_;
  ASSERT_EQ(run_shell("ls"), 0);
  EXPECT_EQ(out_, "big\n");
}

// Names, shapes and defaults of mamba_ssm's files, and what transformers calls them.
TEST_F(Convert, MambaAsItsAuthorsWroteItGetsTheNamesOfHuggingFace) {
  Json config = write_native_mamba(folder_);
  ASSERT_EQ(convert("native mamba"), 0) << err_;
  Json made = read_json(folder_ / "mamba/config.json");
  const Json wanted = {{"model_type", "mamba"},
                       {"hidden_size", 16},
                       {"num_hidden_layers", 1},
                       {"vocab_size", 24},
                       {"state_size", 16},
                       {"conv_kernel", 4},
                       {"expand", 2},
                       {"intermediate_size", 32},
                       {"time_step_rank", 1},
                       {"use_bias", false},
                       {"use_conv_bias", true},
                       {"layer_norm_epsilon", 1e-5},
                       {"tie_word_embeddings", true},
                       {"residual_in_fp32", true}};
  for (const auto& [key, value] : wanted.items()) EXPECT_EQ(made[key], value) << key;
  EXPECT_EQ(SafetensorsFile::open(folder_ / "mamba/model.safetensors").names(),
            (std::vector<std::string>{"backbone.embeddings.weight", "backbone.layers.0.mixer.in_proj.weight",
                                      "backbone.norm_f.weight"}));
  config["ssm_cfg"] = {{"layer", "Mamba2"}, {"d_state", 8}, {"headdim", 4}, {"ngroups", 2}};
  config["tie_embeddings"] = false;
  write_json(folder_ / "native/config.json", config);
  ASSERT_EQ(convert("native mamba2"), 0) << err_;
  made = read_json(folder_ / "mamba2/config.json");
  const Json second = {{"model_type", "mamba2"},
                       {"state_size", 8},
                       {"head_dim", 4},
                       {"num_heads", 8},
                       {"n_groups", 2},
                       {"chunk_size", 256},
                       {"tie_word_embeddings", false}};
  for (const auto& [key, value] : second.items()) EXPECT_EQ(made[key], value) << key;
  EXPECT_TRUE(SafetensorsFile::open(folder_ / "mamba2/model.safetensors").has("lm_head.weight"));
}

// params.json and consolidated.safetensors, as Codestral Mamba comes; with a head of its own behind a prefix.
TEST_F(Convert, MistralsLayoutOfMambaIsUnderstood) {
  std::vector<float> values(24 * 32, 0.5F), others(24 * 32, 0.25F);
  auto tensor = [](const std::string& name, const std::vector<float>& from) {
    return NamedTensor{name, DType::f32, {24, 32}, std::as_bytes(std::span(from))};
  };
  make_folders(folder_ / "codestral");
  const std::string weights = folder_ / "codestral/consolidated.safetensors";
  write_safetensors(weights,
                    {tensor("model.backbone.embedding.weight", values), tensor("model.lm_head.weight", others)});
  Json config = {{"dim", 32}, {"n_layers", 1}, {"vocab_size", 24}, {"n_groups", 2}, {"model_type", "mamba"}};
  write_json(folder_ / "codestral/params.json", config);
  EXPECT_EQ(convert("codestral out"), 2);
  EXPECT_TRUE(contains(err_,
                       "params.json: tie_embeddings: wanted false, found a head (model.lm_head.weight) that is "
                       "not the embedding"))
      << err_;
  EXPECT_FALSE(exists(folder_ / "out"));
  config["tie_embeddings"] = false;
  write_json(folder_ / "codestral/params.json", config);
  ASSERT_EQ(convert("codestral out --dtype bf16"), 0) << err_;
  const Json made = read_json(folder_ / "out/config.json");
  EXPECT_EQ(made["model_type"], "mamba2");
  EXPECT_EQ(made["n_groups"], 2);
  EXPECT_FALSE(exists(folder_ / "out/params.json"));
  const SafetensorsFile file = SafetensorsFile::open(folder_ / "out/model.safetensors");
  EXPECT_EQ(file.names(), (std::vector<std::string>{"backbone.embeddings.weight", "lm_head.weight"}));
  uint16_t head = 0;
  std::memcpy(&head, file.at("lm_head.weight").bytes.data(), sizeof head);
  EXPECT_EQ(head, bf16_of(0.25F));
}

// Its pairs of dimensions lie otherwise than in Hugging Face's layout: names alone would make another model.
TEST_F(Convert, MistralsLayoutOfOtherModelsIsRefused) {
  const std::vector<float> values(16 * 16, 0.5F);
  make_folders(folder_ / "native");
  write_safetensors(
      folder_ / "native/consolidated.safetensors",
      {NamedTensor{"layers.0.attention.wq.weight", DType::f32, {16, 16}, std::as_bytes(std::span(values))}});
  write_json(folder_ / "native/params.json",
             {{"dim", 16}, {"n_layers", 1}, {"head_dim", 4}, {"n_heads", 4}, {"n_kv_heads", 2}, {"vocab_size", 24}});
  for (const char* arguments : {"native out", "native out --dtype bf16", "native out --dry-run"})
    expect_refusal(str("convert ", arguments),
                   "params.json: wanted a Mamba (dim, n_layers, n_groups), found another model");
  EXPECT_FALSE(exists(folder_ / "out"));
}

TEST_F(Convert, MambaOfAKindThatNobodyHasIsRefused) {
  const Json config = write_native_mamba(folder_);
  auto refuses = [&](const std::string& key, const Json& value, const std::string& part) {
    Json changed = config;
    changed[key] = value;
    write_json(folder_ / "native/config.json", changed);
    EXPECT_EQ(convert("native out"), 2) << key;
    EXPECT_TRUE(contains(err_, part)) << err_;
    EXPECT_FALSE(exists(folder_ / "out"));
  };
  refuses("attn_layer_idx", Json::array({3}),
          "config.json: attn_layer_idx: wanted []: Hugging Face's Mamba classes have no other, found [3]");
  refuses("d_intermediate", 32, "config.json: d_intermediate: wanted 0");
  refuses("rms_norm", false, "config.json: rms_norm: wanted true");
  refuses("vocab_size", 40, "config.json: vocab_size: wanted the embedding's rows, 24, when padded to 8, found 40");
  refuses("ssm_cfg", {{"layer", "Mamba3"}}, "config.json: ssm_cfg.layer: wanted Mamba1 or Mamba2, found \"Mamba3\"");
  refuses("ssm_cfg", {{"layer", "Mamba2"}, {"headdim", 5}}, "ssm_cfg.headdim: wanted a divisor of 32, found 5");
  refuses("nonsense", 1, "unknown key 'nonsense'");
}

TEST_F(Convert, AStateDictIsOfARunDirectory) {
  toy_checkpoint("llama").write(folder_ / "llama");
  EXPECT_EQ(convert("llama llama.pt --format state_dict"), 2);
  EXPECT_TRUE(contains(err_, "--format state_dict is for run directories; llama/model.safetensors has no ")) << err_;
  EXPECT_FALSE(exists(folder_ / "llama.pt"));
}

TEST_F(Convert, WhatTheTensorsDoNotTellIsAskedForAndNothingIsLeftBehind) {
  make_run("cable", "cable", kSmall);
  make_run("alibi", "alibi:variant=upstream", "gpt:layers=1,width=48,heads=3");
  ASSERT_EQ(convert("cable cable.pt --format state_dict"), 0) << err_;
  ASSERT_EQ(convert("alibi alibi.pt --format state_dict"), 0) << err_;
  auto refusal = [&](const std::string& arguments) {
    EXPECT_EQ(convert(arguments), 2) << arguments;
    EXPECT_FALSE(exists(folder_ / "out"));
    return err_;
  };
  EXPECT_EQ(
      refusal("cable.pt out"),
      "longhaul: cable.pt: beside c_attn and c_proj the file has cable_layer, cable_layer_scale, which fits cable "
      "and cable:variant=7 and kcable: say which with --pos\n");
  EXPECT_EQ(
      refusal("cable.pt out --pos cable"),
      "longhaul: cable.pt: no tensor tells the trained length: say it with --block-size (the authors' models: 1k or "
      "512)\n");
  EXPECT_EQ(refusal("cable.pt out --pos cable --block-size 32 --heads 4"),
            "longhaul: cable.pt: --heads 4: cable_layer.weight says 2\n");
  EXPECT_EQ(
      refusal("alibi.pt out --pos nope --block-size 32"),
      "longhaul: alibi.pt: no tensor tells the number of heads, and a width of 48 is no multiple of 64: say it with "
      "--heads\n");
  EXPECT_TRUE(contains(refusal("cable.pt out --pos rope --block-size 32"), "unknown transformer.h.0.attn.cable_layer"));
  EXPECT_TRUE(contains(refusal("cable.pt alibi"), "alibi exists already"));
  EXPECT_TRUE(
      contains(refusal("cable.pt out --pos cable --block-size 0"), "--block-size: wanted 1 to 4,294,967,296, got 0"));
  EXPECT_TRUE(contains(refusal("cable.pt out --pos cable --block-size 32 --dtype bf16"),
                       "convert: --dtype is for model directories"));
  ASSERT_EQ(convert("cable.pt out --pos cable --block-size 32 --dry-run"), 0) << err_;
  EXPECT_FALSE(exists(folder_ / "out"));
}

}  // namespace
}  // namespace longhaul
