"""Towards a SAML IdP (DESIGN.md rule 8). Only functions/saml loads it: it needs lxml and xmlsec, which the layer lacks."""
