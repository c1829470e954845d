"""`fedbridge console`: what the commands tell, for eyes. Served to the operator's own machine alone; nothing is deployed."""
