# The second door to the addon, for people who build with node-gyp and a nodedir. Same sources as
# native/CMakeLists.txt; the usual door is cmake-js (scripts/build.mjs).
{
  "targets": [
    {
      "target_name": "metastore",
      "sources": [
        "<!@(node -p \"['sources', 'addon_sources'].flatMap((list) => require('fs').readFileSync('native/' + list + '.txt', 'utf8').split('\\n')).filter(Boolean).map((path) => 'native/' + path).join(' ')\")"
      ],
      "include_dirs": [
        "native",
        "<!(node -p \"require('node-addon-api').include_dir\")"
      ],
      "defines": [
        "NAPI_VERSION=9",
        "NAPI_DISABLE_CPP_EXCEPTIONS",
        "NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS",
        "METASTORE_ROCKSDB=1"
      ],
      "libraries": ["-lrocksdb", "-lnghttp2", "-luv", "-lz", "-ldl", "-lpthread"],
      "cflags_cc!": ["-fno-exceptions", "-fno-rtti", "-std=gnu++17", "-std=gnu++20"],
      "cflags_cc": ["-std=c++20", "-Wall", "-Wextra", "-fvisibility=hidden"],
      "xcode_settings": {
        "CLANG_CXX_LANGUAGE_STANDARD": "c++20",
        "GCC_ENABLE_CPP_EXCEPTIONS": "YES",
        "GCC_ENABLE_CPP_RTTI": "YES",
        "MACOSX_DEPLOYMENT_TARGET": "12.0"
      }
    }
  ]
}
