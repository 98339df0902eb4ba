# Many threads, long and hard. Programs in tests_stress link the layers and run
# under the sanitizers; scripts need the preloaded object.

tests_stress =
