"""The vocabulary: frozen data, standard library only. Import from the modules, which are named after what they hold."""
