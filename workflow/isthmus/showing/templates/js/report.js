// The report's sections.

openPage([startCourse, startExplorer, startPairs, startExamples, startAverages, startLayers, startPlanes, startMap, startTraining, startFar, startState]);
