"""What `make bench` runs: training, paths, layers, language models, beside what users have; planning a grid.

Tables go to results/bench/. Measured on a real encoder and real text where ISTHMUS_MODEL (a model folder) and
ISTHMUS_DATA (a folder with paws_qqp/) are set, else on the toy model.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import dag
import language
import layers
import paths
import training

if __name__ == "__main__":
    training.main([])
    paths.main([])
    layers.main([])
    language.main([])
    dag.main([])
