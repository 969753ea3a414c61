// The report's sections.

openPage([startCourse, startExplorer, startPairs, startAverages, startLayers, startPlanes, startMap, startTraining, startFar]);
