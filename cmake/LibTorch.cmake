# LibTorch from a pip wheel as one imported target, longhaul::torch.
# Not find_package(Torch): the config of a CUDA wheel stops when no CUDA toolkit is installed.
# Also installed, for longhaulConfig.cmake: whoever uses the library needs the same target.
set(LH_PYTHON "python3" CACHE STRING "Python whose environment holds the torch wheel")
if(NOT LH_TORCH_ROOT)
  execute_process(COMMAND "${LH_PYTHON}" -c
      "import importlib.util as u; print(u.find_spec('torch').submodule_search_locations[0])"
    OUTPUT_VARIABLE lh_root OUTPUT_STRIP_TRAILING_WHITESPACE RESULT_VARIABLE lh_rc ERROR_QUIET)
  if(NOT lh_rc EQUAL 0)
    message(FATAL_ERROR "no torch wheel in '${LH_PYTHON}': run `make setup`, or set LH_TORCH_ROOT to the folder of a torch package")
  endif()
  set(LH_TORCH_ROOT "${lh_root}" CACHE PATH "folder of the torch package" FORCE)
endif()
foreach(lib torch torch_cpu c10)
  if(NOT EXISTS "${LH_TORCH_ROOT}/lib/lib${lib}.so")
    message(FATAL_ERROR "LibTorch: wanted ${LH_TORCH_ROOT}/lib/lib${lib}.so, found no such file")
  endif()
endforeach()
# The wheel's own OpenMP runtime, linked by path, so that exactly one is loaded.
file(GLOB lh_gomp "${LH_TORCH_ROOT}/lib/libgomp*.so*" "${LH_TORCH_ROOT}/../torch.libs/libgomp*.so*")
if(NOT lh_gomp)
  message(FATAL_ERROR "LibTorch: wanted a libgomp beside ${LH_TORCH_ROOT}/lib, found none")
endif()
list(GET lh_gomp 0 lh_gomp)
add_library(longhaul::torch INTERFACE IMPORTED GLOBAL)
target_include_directories(longhaul::torch SYSTEM INTERFACE
  "${LH_TORCH_ROOT}/include" "${LH_TORCH_ROOT}/include/torch/csrc/api/include")
# -fopenmp when compiling only: without it at::parallel_for is a plain serial loop (ATen/ParallelOpenMP.h).
target_compile_options(longhaul::torch INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-fopenmp>)
target_compile_definitions(longhaul::torch INTERFACE _GLIBCXX_USE_CXX11_ABI=1)
target_link_options(longhaul::torch INTERFACE "LINKER:--no-as-needed")
target_link_libraries(longhaul::torch INTERFACE "${LH_TORCH_ROOT}/lib/libtorch.so"
  "${LH_TORCH_ROOT}/lib/libtorch_cpu.so" "${LH_TORCH_ROOT}/lib/libc10.so" "${lh_gomp}")
if(EXISTS "${LH_TORCH_ROOT}/lib/libtorch_cuda.so")
  target_link_libraries(longhaul::torch INTERFACE
    "${LH_TORCH_ROOT}/lib/libtorch_cuda.so" "${LH_TORCH_ROOT}/lib/libc10_cuda.so")
endif()
